-- Primary key.
DELETE FROM users WHERE id = %(id)s
