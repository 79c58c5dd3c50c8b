-- A line of a statement, locked until the transaction ends. Lives on the primary key.
SELECT l.id, l.fingerprint, l.day, l.amount, l.currency, l.payer, l.details, l.account_id,
    (SELECT a.name FROM accounts a WHERE a.id = l.account_id) AS account_name, l.payment_id, l.created_at
FROM bank_lines l
WHERE l.id = %(id)s
FOR UPDATE OF l
