-- Calendars that the viewer may see, by number; all, or one. Index of calendars (account_id, id), primary key.
SELECT calendars.id, account_id, calendars.name, data, attributes, time_zone
FROM calendars JOIN accounts ON accounts.id = account_id
WHERE (%(everything)s OR account_id = %(account_id)s) AND (%(id)s::int IS NULL OR calendars.id = %(id)s)
ORDER BY calendars.id
LIMIT %(limit)s OFFSET %(offset)s
