-- A user's messengers, by number; all, or one. Index of messengers (user_id).
SELECT id, name, url, created_at
FROM messengers
WHERE user_id = %(user_id)s AND (%(id)s::int IS NULL OR id = %(id)s)
ORDER BY id
LIMIT %(limit)s OFFSET %(offset)s
