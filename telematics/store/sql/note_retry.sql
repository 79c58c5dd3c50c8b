-- Notes that dead letters were tried again and why they can't be read now. Lives on the primary key of dead_letters.
UPDATE dead_letters
SET retried = now(), reason = given.reason
FROM unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS given (id, reason)
WHERE dead_letters.id = given.id
