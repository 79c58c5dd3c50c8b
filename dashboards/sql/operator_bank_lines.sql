-- Lines of bank statements that were taken in, the newest first, from before one on. Lives on the primary key.
SELECT b.id, b.day, b.amount, b.currency, b.payer, b.details, b.account_id, accounts.name AS account, b.payment_id, users.name AS user_name,
    b.created_at
FROM bank_lines b LEFT JOIN accounts ON accounts.id = b.account_id LEFT JOIN users ON users.id = b.user_id
WHERE b.payment_id IS NOT NULL AND (%(before)s::bigint IS NULL OR b.id < %(before)s)
ORDER BY b.id DESC
LIMIT %(limit)s
