-- Adds a token, unless the user has too many that are still good; those that have expired go. Lives on tokens (user_id).
WITH expired AS (DELETE FROM tokens WHERE user_id = %(user_id)s AND expires_at <= now())
INSERT INTO tokens (hash, user_id, expires_at)
SELECT %(hash)s, %(user_id)s, %(expires_at)s
WHERE (SELECT count(*) FROM tokens WHERE user_id = %(user_id)s AND expires_at > now()) < %(kept)s
