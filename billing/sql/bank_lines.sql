-- Lines of statements, the newest first; `open`: nobody's yet. Lives on the primary key, or bank_lines_open.
SELECT l.id, l.fingerprint, l.day, l.amount, l.currency, l.payer, l.details, l.account_id, a.name AS account_name, l.payment_id,
    l.created_at
FROM bank_lines l LEFT JOIN accounts a ON a.id = l.account_id
WHERE NOT %(open)s OR l.payment_id IS NULL
ORDER BY l.id DESC
LIMIT %(limit)s OFFSET %(offset)s
