-- A session that is used lives on. Primary key.
UPDATE sessions SET expires_at = %(expires_at)s WHERE hash = %(hash)s
