-- Alerts that the viewer may see, the newest first; with `ids` those of them. A vehicle that went to another account left its
-- alerts behind, and what it is called there is its new owner's business. Of device 0: about the account itself. Index of alerts (account_id, id), (event_id), the primary key.
SELECT alerts.id, alerts.account_id, event_id, coalesce(device_id, 0) AS device_id,
    CASE WHEN devices.account_id = alerts.account_id THEN devices.name ELSE coalesce('#' || device_id, '') END AS device_name, time, type, subject, zones.name AS zone_name,
    position_id, latitude, longitude, speed_kmh, alerts.attributes, urgent, alerts.created_at, acknowledged_at,
    users.name AS acknowledged_by,
    (SELECT count(*) FROM alert_comments WHERE alert_id = alerts.id)::int AS comments
FROM alerts
LEFT JOIN devices ON devices.id = device_id
LEFT JOIN users ON users.id = acknowledged_by
LEFT JOIN zones ON zones.id = CASE
    WHEN (type LIKE 'geofence%%' OR type = 'deviceOverspeed') AND subject ~ '^\d{1,9}$' THEN subject::int
END
WHERE (%(everything)s OR alerts.account_id = %(account_id)s)
  AND (%(ids)s::bigint[] IS NULL OR alerts.id = ANY(%(ids)s))
  AND (%(before)s::bigint IS NULL OR alerts.id < %(before)s)
  AND (%(event_id)s::bigint IS NULL OR event_id = %(event_id)s)
  AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s))
  AND (%(device_ids)s::int[] IS NULL OR device_id = ANY(%(device_ids)s))
  AND (
      %(zone_ids)s::text[] IS NULL
      OR subject = ANY(%(zone_ids)s) AND (type LIKE 'geofence%%' OR type = 'deviceOverspeed')
  )
  AND (%(acknowledged)s::boolean IS NULL OR (acknowledged_at IS NOT NULL) = %(acknowledged)s)
  AND (%(since)s::timestamptz IS NULL OR time >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR time <= %(until)s)
ORDER BY alerts.id DESC
LIMIT %(limit)s
