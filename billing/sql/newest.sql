-- When the last was done with an account's money, tariff or trackers. Lives on tariff_periods_account, ledger_entries_account and
-- blocks_account.
SELECT greatest(
    (SELECT since FROM tariff_periods WHERE account_id = %(account_id)s AND isfinite(since) ORDER BY since DESC, id DESC LIMIT 1),
    (SELECT at FROM ledger_entries WHERE account_id = %(account_id)s ORDER BY day DESC, id DESC LIMIT 1),
    (SELECT since FROM blocks WHERE account_id = %(account_id)s ORDER BY id DESC LIMIT 1)
)
