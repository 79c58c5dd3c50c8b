-- Stores events that are not there yet, and tells the outbox of them. Returns id and key of the new ones.
-- Lives on the primary key of events.
WITH new AS (
    INSERT INTO events (device_id, time, type, subject, position_id, attributes)
    SELECT device_id, time, type, subject, position_id, attributes
    FROM unnest(
        %(device_ids)s::int[], %(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[],
        %(position_ids)s::bigint[], %(attributes)s::jsonb[]
    ) AS given (device_id, time, type, subject, position_id, attributes)
    ON CONFLICT DO NOTHING
    RETURNING id, device_id, time, type, subject
), told AS (
    INSERT INTO outbox (device_id, event_time, event_type, event_subject)
    SELECT device_id, time, type, subject FROM new
    ON CONFLICT DO NOTHING
)
SELECT id, device_id, time, type, subject FROM new
