-- An account's trackers in the order in which they are paid for, with their open blocks and whether this day is paid already.
-- Lives on billed_trackers (account_id, connected_at, id), blocks_open and ledger_lines_daily.
SELECT t.id, t.device_id, t.unique_id, t.name, t.connected_at, t.connection_due, t.covered_until, t.test, t.blocked,
    unpaid.unpaid, owner.since AS owner_since, coalesce(owner.reason, '') AS owner_reason, administrator.since AS administrator_since,
    coalesce(administrator.reason, '') AS administrator_reason, coalesce(unpaid.since, owner.since, administrator.since) AS blocked_since,
    EXISTS (SELECT FROM ledger_lines WHERE daily AND day = %(day)s AND tracker_id = t.id) AS charged
FROM billed_trackers t
    LEFT JOIN blocks unpaid ON unpaid.tracker_id = t.id AND unpaid.kind = 'unpaid' AND unpaid.until IS NULL
    LEFT JOIN blocks owner ON owner.tracker_id = t.id AND owner.kind = 'owner' AND owner.until IS NULL
    LEFT JOIN blocks administrator ON administrator.tracker_id = t.id AND administrator.kind = 'administrator'
        AND administrator.until IS NULL
WHERE t.account_id = %(account_id)s AND t.removed_at IS NULL
  AND (%(device_id)s::int IS NULL OR t.device_id = %(device_id)s)
  AND (NOT %(due)s OR (t.connection_due AND t.blocked IS NULL))
  AND (NOT %(unpaid)s OR t.blocked = 'unpaid')
ORDER BY t.connected_at, t.id
