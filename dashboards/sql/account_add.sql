-- A new account, with a first rule: alarms such as SOS appear on everybody's page. No index needed.
WITH added AS (
    INSERT INTO accounts (name, time_zone, language, disabled)
    VALUES (%(name)s, %(time_zone)s, %(language)s, %(disabled)s)
    RETURNING id, name, time_zone, language, disabled, created_at, mqtt_publish, mqtt_discovery
), first_rule AS (
    INSERT INTO rules (account_id, name, types, urgent)
    SELECT id, CASE language WHEN 'ru' THEN 'Тревоги' WHEN 'kk' THEN 'Дабылдар' ELSE 'Alarms' END, '{alarm}', true FROM added
)
SELECT id, name, time_zone, language, disabled, created_at, mqtt_publish, mqtt_discovery FROM added
