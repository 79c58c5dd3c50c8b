-- Stretches to be worked out anew, those that waited longest first, and for how long they have been quiet (s). Reads all of revisits,
-- which is short.
SELECT device_id, since, until, changed_at, extract(epoch FROM clock_timestamp() - changed_at)::float8
FROM revisits
ORDER BY changed_at
LIMIT %(limit)s
