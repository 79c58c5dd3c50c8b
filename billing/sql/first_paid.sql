-- The account's day of its first top-up that an operator hasn't taken back. Lives on ledger_entries_account and
-- ledger_entries_reverses.
SELECT e.day
FROM ledger_entries e
WHERE e.account_id = %(account_id)s AND e.kind = 'topup'
    AND NOT EXISTS (SELECT FROM ledger_entries r WHERE r.reverses = e.id)
ORDER BY e.day, e.id
LIMIT 1
