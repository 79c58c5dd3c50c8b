-- The numbers of events that are known by their keys. Primary key of events (device_id, time, type, subject).
SELECT events.id, device_id, time, type, subject
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[])
     AS wanted (device_id, time, type, subject)
JOIN events USING (device_id, time, type, subject)
