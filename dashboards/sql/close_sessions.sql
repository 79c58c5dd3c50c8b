-- All that a user signed in with ends. Lives on the indexes of sessions and tokens (user_id).
WITH ended AS (DELETE FROM sessions WHERE user_id = %(user_id)s)
DELETE FROM tokens WHERE user_id = %(user_id)s
