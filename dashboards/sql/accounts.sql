-- Accounts that the viewer may see, by number; all, or one. Primary key of accounts.
SELECT id, name, time_zone, language, disabled, created_at, mqtt_publish, mqtt_discovery
FROM accounts
WHERE (%(everything)s OR id = %(account_id)s) AND (%(id)s::int IS NULL OR id = %(id)s)
ORDER BY id
LIMIT %(limit)s OFFSET %(offset)s
