-- A line of a statement was credited. Lives on the primary key.
UPDATE bank_lines SET account_id = %(account_id)s, payment_id = %(payment_id)s, user_id = %(user_id)s WHERE id = %(id)s
