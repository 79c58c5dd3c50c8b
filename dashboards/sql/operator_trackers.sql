-- A page of an account's trackers, the blocked first, then in the order in which they are paid for; with their gravest open block and when
-- they were last heard. Lives on billed_trackers (account_id, connected_at, id) and blocks_open.
SELECT t.device_id, t.name, t.unique_id, t.connected_at, t.covered_until, t.connection_due, t.test, t.blocked,
    coalesce(b.reason, '') AS reason, b.unpaid, b.since AS blocked_since, s.heard, count(*) OVER () AS total,
    EXISTS (SELECT FROM blocks WHERE tracker_id = t.id AND kind = 'administrator' AND until IS NULL) AS by_administrator
FROM billed_trackers t
    LEFT JOIN blocks b ON b.tracker_id = t.id AND b.kind = t.blocked AND b.until IS NULL
    LEFT JOIN device_state s ON s.device_id = t.device_id
WHERE t.account_id = %(account_id)s AND t.removed_at IS NULL
  AND (%(like)s::text IS NULL OR t.name ILIKE %(like)s OR t.unique_id ILIKE %(like)s)
ORDER BY t.blocked IS NULL, t.connected_at, t.id
LIMIT %(limit)s OFFSET %(offset)s
