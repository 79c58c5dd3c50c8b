-- What goes by a calendar, some of it: its kind and name. Index of zones (calendar_id); the rest by reading an account's few.
SELECT 'zone' AS kind, name FROM zones WHERE calendar_id = %(id)s
UNION ALL
SELECT 'rule', name FROM rules WHERE calendar_id = %(id)s
UNION ALL
SELECT 'proximity', name FROM proximities WHERE calendar_id = %(id)s
LIMIT 5
