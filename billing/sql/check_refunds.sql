-- Accounts whose money set aside for refunds is not what is asked back and not paid out yet. Lives on refunds_open.
WITH asked AS (
    SELECT r.account_id, sum(r.amount - coalesce(parts.amount, 0)) AS amount
    FROM refunds r LEFT JOIN (
        SELECT refund_id, sum(amount) AS amount FROM refund_parts WHERE entry_id IS NOT NULL GROUP BY refund_id
    ) parts ON parts.refund_id = r.id
    WHERE r.state IN ('requested', 'paying')
    GROUP BY r.account_id
), aside AS (
    SELECT l.account_id, sum(li.amount) AS amount
    FROM ledger_accounts l JOIN ledger_lines li ON li.ledger_id = l.id WHERE l.kind = 'refund' GROUP BY l.account_id
)
SELECT format('account %s', coalesce(aside.account_id, asked.account_id)),
    format('%s are set aside for refunds, and %s are asked back', coalesce(aside.amount, 0), coalesce(asked.amount, 0))
FROM aside FULL JOIN asked ON asked.account_id = aside.account_id
WHERE coalesce(aside.amount, 0) <> coalesce(asked.amount, 0)
ORDER BY 1
LIMIT 1000
