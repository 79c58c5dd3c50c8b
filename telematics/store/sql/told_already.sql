-- Which of these events are stored and not superseded, by their places from 1. Lives on the primary key of events, once for each.
SELECT place::int
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[])
    WITH ORDINALITY AS given (device_id, time, type, subject, place)
WHERE EXISTS (
    SELECT FROM events
    WHERE events.device_id = given.device_id AND events.time = given.time AND events.type = given.type AND events.subject = given.subject
        AND (attributes -> 'superseded') IS NULL
)
