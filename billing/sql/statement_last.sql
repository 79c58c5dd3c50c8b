-- The newest entry of an account: what is written later isn't in a statement that was begun. Lives on ledger_entries (account_id, …).
SELECT max(id) FROM ledger_entries WHERE account_id = %(account_id)s AND day = (
    SELECT max(day) FROM ledger_entries WHERE account_id = %(account_id)s)
