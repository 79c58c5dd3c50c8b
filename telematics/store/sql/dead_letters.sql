-- Dead letters, the newest first. Lives on the primary key of dead_letters.
SELECT id, received, protocol, address, device_id, unique_id, reason, kind, context, frame
FROM dead_letters
WHERE (%(before)s::bigint IS NULL OR id < %(before)s) AND (%(protocol)s::text IS NULL OR protocol = %(protocol)s)
ORDER BY id DESC
LIMIT %(limit)s
