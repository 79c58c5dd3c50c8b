-- The numbers of events that are known by their keys. Primary key of events (device_id, time, type, subject), once for each key:
-- a plain join reads all events there are.
SELECT found.id, device_id, time, type, subject
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[])
     AS wanted (device_id, time, type, subject)
CROSS JOIN LATERAL (
    SELECT id
    FROM events
    WHERE events.device_id = wanted.device_id AND events.time = wanted.time AND events.type = wanted.type
      AND events.subject = wanted.subject
    LIMIT 1
) AS found
