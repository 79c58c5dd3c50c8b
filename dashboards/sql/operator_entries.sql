-- An account's entries, the newest first, from before one on: how many trackers each is about, and how much of it has been reversed.
-- Lives on ledger_entries (account_id, day, id): within an account days and numbers rise together; (reverses); the primary key of lines.
SELECT e.id, e.kind, e.amount, e.day, e.at, e.memo, e.reverses, e.user_id, users.name AS user_name,
    (SELECT count(DISTINCT tracker_id) FROM ledger_lines WHERE entry_id = e.id AND tracker_id IS NOT NULL) AS trackers,
    (SELECT min(t.name) FROM ledger_lines l JOIN billed_trackers t ON t.id = l.tracker_id WHERE l.entry_id = e.id) AS tracker,
    coalesce((SELECT sum(r.amount) FROM ledger_entries r WHERE r.reverses = e.id), 0)::bigint AS reversed
FROM ledger_entries e LEFT JOIN users ON users.id = e.user_id
WHERE e.account_id = %(account_id)s
  AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s))
  AND (%(before)s::bigint IS NULL OR (e.day, e.id) < (SELECT day, id FROM ledger_entries WHERE id = %(before)s))
ORDER BY e.day DESC, e.id DESC
LIMIT %(limit)s
