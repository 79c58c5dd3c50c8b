-- Takes events of a device out of the outbox, and returns those that were still in it. Lives on the unique index of outbox.
DELETE FROM outbox
USING unnest(%(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[]) AS given (time, type, subject)
WHERE device_id = %(device_id)s AND event_time = given.time AND event_type = given.type AND event_subject = given.subject
RETURNING event_time, event_type, event_subject
