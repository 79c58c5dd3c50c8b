-- Balances that are not what the lines add up to. Reads the whole ledger.
SELECT concat_ws(', ', 'account ' || l.account_id, l.kind || ' ledger ' || l.id),
    format('its balance is %s, its lines add up to %s', l.balance, coalesce(moved.amount, 0))
FROM ledger_accounts l
    LEFT JOIN (SELECT ledger_id, sum(amount) AS amount FROM ledger_lines GROUP BY ledger_id) moved ON moved.ledger_id = l.id
WHERE l.balance <> CASE WHEN l.account_id IS NULL THEN 0 ELSE coalesce(moved.amount, 0) END -- the provider's are never kept
ORDER BY l.id
LIMIT 1000
