-- Users that the viewer may see, by number; all, or one. Primary key of users, users (account_id).
SELECT id, account_id, email, name, administrator, readonly, disabled, language, attributes,
       phone, time_zone, quiet_hours, commands
FROM users
WHERE (%(everything)s OR account_id = %(account_id)s) AND (%(id)s::int IS NULL OR id = %(id)s)
ORDER BY id
LIMIT %(limit)s OFFSET %(offset)s
