-- For how many seconds nothing of a channel is due; no row when nothing waits. Index of deliveries (channel, due_at).
SELECT extract(epoch FROM due_at - now())::float8
FROM deliveries
WHERE state = 'waiting' AND channel = %(channel)s AND address <> ALL(%(busy)s::text[])
  AND account_id <> ALL(%(full)s::int[])
ORDER BY due_at
LIMIT 1
