-- Marks events as superseded, or takes the mark away. Lives on the primary key of events.
UPDATE events
SET attributes = CASE WHEN given.superseded THEN coalesce(attributes, '{}') || '{"superseded": true}' ELSE attributes - 'superseded' END
FROM unnest(%(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[], %(superseded)s::boolean[])
    AS given (time, type, subject, superseded)
WHERE events.device_id = %(device_id)s AND events.time = given.time AND events.type = given.type AND events.subject = given.subject
