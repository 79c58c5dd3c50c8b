-- Commands have left. What somebody took back while it left has been sent all the same; what was superseded or given away meanwhile, or
-- has expired, stays so, and tells that it was sent. Lives on the primary key of commands.
UPDATE commands SET sent_at = new.at, tries = new.tries,
    state = CASE WHEN state = 'expired' OR (state = 'withdrawn' AND reason IS NOT NULL) THEN state ELSE 'sent' END,
    awaits = CASE WHEN state = 'expired' OR (state = 'withdrawn' AND reason IS NOT NULL) THEN commands.awaits ELSE new.awaits END,
    reason = CASE WHEN state = 'expired' OR (state = 'withdrawn' AND reason IS NOT NULL) THEN reason END
FROM unnest(%(ids)s::bigint[], %(at)s::timestamptz[], %(tries)s::int[], %(awaits)s::boolean[]) AS new (id, at, tries, awaits)
WHERE commands.id = new.id AND (state IN ('queued', 'withdrawn', 'expired') OR (state = 'sent' AND commands.awaits))
