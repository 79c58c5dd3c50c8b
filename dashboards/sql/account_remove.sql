-- With its users and devices. Primary key.
DELETE FROM accounts WHERE id = %(id)s
