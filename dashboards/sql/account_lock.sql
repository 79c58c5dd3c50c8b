-- Changes of one account's groups wait for each other until the transaction's end: two at once could make a circle. Primary key.
SELECT id FROM accounts WHERE id = %(id)s FOR NO KEY UPDATE
