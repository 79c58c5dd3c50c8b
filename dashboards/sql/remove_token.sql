-- Unique index of tokens (hash).
DELETE FROM tokens WHERE hash = %(hash)s AND user_id = %(user_id)s
