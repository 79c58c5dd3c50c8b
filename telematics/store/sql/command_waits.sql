-- Why commands aren't sent yet. Returns whose they are, where that is news. Lives on the primary key of commands.
UPDATE commands SET reason = new.reason
FROM unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS new (id, reason)
WHERE commands.id = new.id AND state = 'queued' AND commands.reason IS DISTINCT FROM new.reason
RETURNING commands.id, account_id, device_id
