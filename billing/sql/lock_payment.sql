-- The payment, locked until the transaction ends. Lives on the primary key.
SELECT 1 FROM payments WHERE id = %(id)s FOR UPDATE
