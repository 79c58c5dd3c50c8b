INSERT INTO accounts (name, time_zone, language, disabled)
VALUES (%(name)s, %(time_zone)s, %(language)s, %(disabled)s)
RETURNING id, name, time_zone, language, disabled, created_at
