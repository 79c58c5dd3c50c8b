-- Alerts about the same device, type and subject within so many seconds of each given time: what cooldown asks.
-- Unique index of alerts (device_id, time, type, subject).
SELECT wanted.place::int, alerts.time, rule_ids,
    NOT coalesce(alerts.attributes -> 'late' = 'true', false) AND created_at - noticed_at <= make_interval(secs => %(stale_s)s)
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[], %(within_s)s::float8[])
     WITH ORDINALITY AS wanted (device_id, time, type, subject, within_s, place)
JOIN alerts ON alerts.device_id = wanted.device_id AND alerts.type = wanted.type AND alerts.subject = wanted.subject
    AND alerts.time > wanted.time - make_interval(secs => wanted.within_s)
    AND alerts.time < wanted.time + make_interval(secs => wanted.within_s)
