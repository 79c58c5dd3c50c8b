-- Saved commands that the viewer may see, by number; all, or one. Primary key, saved_commands (account_id, id).
SELECT id, account_id, description, type, parameters, sms
FROM saved_commands
WHERE (%(everything)s OR account_id = %(account_id)s) AND (%(id)s::int IS NULL OR id = %(id)s)
ORDER BY id
LIMIT %(limit)s OFFSET %(offset)s
