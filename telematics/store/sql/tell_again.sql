-- Puts stored events of a device into the outbox once more. Lives on the unique index of outbox.
INSERT INTO outbox (device_id, event_time, event_type, event_subject)
SELECT %(device_id)s, time, type, subject
FROM unnest(%(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[]) AS given (time, type, subject)
ON CONFLICT DO NOTHING
