-- The alerts that a message tells of: its own, those bundled in it, and those of the message whose place it takes; oldest first,
-- with how many there are. Primary key of deliveries, index (bundled_in).
WITH RECURSIVE told (id) AS (
    SELECT %(id)s::bigint
    UNION
    SELECT more.id
    FROM told
    CROSS JOIN LATERAL (
        SELECT id FROM deliveries WHERE bundled_in = told.id
        UNION ALL
        SELECT fallback_of FROM deliveries WHERE deliveries.id = told.id AND fallback_of IS NOT NULL
    ) AS more
)
SELECT alerts.id, device_id, coalesce(devices.name, '') AS device_name, alerts.type, alerts.subject, alerts.time, alerts.attributes, alerts.latitude,
    alerts.longitude, alerts.speed_kmh, count(*) OVER ()::int AS of_so_many
FROM alerts
LEFT JOIN devices ON devices.id = alerts.device_id -- none: about the account itself
WHERE alerts.id IN (SELECT alert_id FROM deliveries WHERE deliveries.id IN (SELECT id FROM told))
ORDER BY alerts.id = (SELECT alert_id FROM deliveries WHERE id = %(id)s) DESC, alerts.id
LIMIT %(limit)s
