-- The user's id; no row when there is none. Unique index of users (email).
UPDATE users SET password_hash = %(password_hash)s WHERE email = %(email)s RETURNING id
