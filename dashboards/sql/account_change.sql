-- Primary key.
UPDATE accounts SET name = %(name)s, time_zone = %(time_zone)s, language = %(language)s, disabled = %(disabled)s
WHERE id = %(id)s
RETURNING id, name, time_zone, language, disabled, created_at
