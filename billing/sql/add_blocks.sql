-- Blocks of these trackers, where there is none of the kind. Lives on blocks_open.
INSERT INTO blocks (tracker_id, account_id, kind, unpaid, reason, day, since, user_id)
SELECT id, %(account_id)s, %(kind)s, unpaid, %(reason)s, %(day)s, %(now)s, %(user_id)s
FROM unnest(%(ids)s::int[], %(unpaid)s::text[]) AS wanted (id, unpaid)
ON CONFLICT DO NOTHING
