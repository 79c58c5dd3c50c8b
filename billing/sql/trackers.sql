-- An account's trackers in the order in which they are paid for, with their open blocks and whether this day is paid already.
-- Lives on billed_trackers (account_id, connected_at, id), blocks_open and ledger_lines_daily.
SELECT t.id, t.device_id, t.unique_id, t.name, t.connected_at, t.connection_due, t.covered_until, t.test, t.blocked,
    open.unpaid, open.owner_since, open.owner_reason, open.administrator_since, open.administrator_reason,
    coalesce(open.unpaid_since, open.owner_since, open.administrator_since) AS blocked_since,
    EXISTS (SELECT FROM ledger_lines WHERE daily AND day = %(day)s AND tracker_id = t.id) AS charged
FROM billed_trackers t
    CROSS JOIN LATERAL ( -- one row, tracker by tracker: never by reading the open blocks of all customers
        SELECT max(unpaid) AS unpaid, max(since) FILTER (WHERE kind = 'unpaid') AS unpaid_since,
            max(since) FILTER (WHERE kind = 'owner') AS owner_since,
            coalesce(max(reason) FILTER (WHERE kind = 'owner'), '') AS owner_reason,
            max(since) FILTER (WHERE kind = 'administrator') AS administrator_since,
            coalesce(max(reason) FILTER (WHERE kind = 'administrator'), '') AS administrator_reason
        FROM blocks WHERE tracker_id = t.id AND until IS NULL
    ) open
WHERE t.account_id = %(account_id)s AND t.removed_at IS NULL
  AND (%(device_id)s::int IS NULL OR t.device_id = %(device_id)s)
  AND (NOT %(due)s OR (t.connection_due AND t.blocked IS NULL))
  AND (NOT %(unpaid)s OR t.blocked = 'unpaid')
ORDER BY t.connected_at, t.id
