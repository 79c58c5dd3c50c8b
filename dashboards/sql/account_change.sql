-- Primary key.
UPDATE accounts SET name = %(name)s, time_zone = %(time_zone)s, language = %(language)s, disabled = %(disabled)s,
    mqtt_publish = %(mqtt_publish)s, mqtt_discovery = %(mqtt_discovery)s
WHERE id = %(id)s
RETURNING id, name, time_zone, language, disabled, created_at, mqtt_publish, mqtt_discovery
