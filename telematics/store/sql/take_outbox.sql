-- The oldest rows of the outbox, locked for the caller's transaction, each with its event (nothing of it where that is gone).
-- Primary key of outbox; primary key of events, once for each row: a plain join would read all events there are.
WITH taken AS MATERIALIZED (
    SELECT id, device_id, event_time, event_type, event_subject
    FROM outbox
    ORDER BY id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
SELECT taken.id, taken.device_id, event_time AS time, event_type AS type, event_subject AS subject, found.id AS event_id,
    found.position_id, found.attributes
FROM taken
LEFT JOIN LATERAL (
    SELECT events.id, position_id, attributes
    FROM events
    WHERE events.device_id = taken.device_id AND time = event_time AND type = event_type AND subject = event_subject
    LIMIT 1
) AS found ON true
ORDER BY taken.id
