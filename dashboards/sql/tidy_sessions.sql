-- Removes a user's sessions that have expired, and all but the newest. Lives on the index sessions (user_id).
DELETE FROM sessions
WHERE user_id = %(user_id)s
  AND (expires_at <= now()
       OR hash NOT IN (SELECT hash FROM sessions WHERE user_id = %(user_id)s ORDER BY created_at DESC LIMIT %(kept)s))
