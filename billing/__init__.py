"""What trackers cost and who has paid: tariffs, the ledger, the daily charge, blocks, payments.

Whoever moves an account's money opens its book (`book.open_book`): the account is locked and charged through today, and all that
is done ends in one transaction. Nothing else writes to the ledger but the daily run (`daily.run`), which charges many accounts
by one statement.
"""
