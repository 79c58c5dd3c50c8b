-- Commands are answered or have failed. Returns the numbers of those of which that is news. An answer is believed also when the command
-- expired while it was written down. Lives on the primary key of commands.
UPDATE commands SET state = new.state, reason = new.reason, answer = new.answer, answered_at = new.answered_at
FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[], %(answers)s::text[], %(answered_at)s::timestamptz[])
    AS new (id, state, reason, answer, answered_at)
WHERE commands.id = new.id
  AND (commands.state = 'queued' OR (commands.state = 'sent' AND awaits)
    OR (new.state = 'answered' AND commands.state = 'expired' AND commands.answer IS NULL))
RETURNING commands.id
