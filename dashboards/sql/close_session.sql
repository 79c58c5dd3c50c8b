-- Primary key.
DELETE FROM sessions WHERE hash = %(hash)s
