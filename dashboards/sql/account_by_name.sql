-- The oldest account of that name; there are few enough to read them all.
SELECT id, name, time_zone, language, disabled, created_at, mqtt_publish, mqtt_discovery FROM accounts WHERE name = %(name)s ORDER BY id LIMIT 1
