-- One line of a bank's statement. Lives on the primary key.
SELECT b.id, b.day, b.amount, b.currency, b.payer, b.details, b.account_id, accounts.name AS account, b.payment_id, users.name AS user_name,
    b.created_at
FROM bank_lines b LEFT JOIN accounts ON accounts.id = b.account_id LEFT JOIN users ON users.id = b.user_id
WHERE b.id = %(id)s
