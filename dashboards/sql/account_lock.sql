-- Changes of one account's groups wait for each other until the transaction's end: two at once could make a circle. So do those who
-- add what the tariff allows so many of: two at once could both take the last place. Primary key.
SELECT id FROM accounts WHERE id = %(id)s FOR NO KEY UPDATE
