INSERT INTO sessions (hash, user_id, expires_at, address, user_agent)
VALUES (%(hash)s, %(user_id)s, %(expires_at)s, %(address)s, %(user_agent)s)
