-- Days that were charged though nothing was to be: a connection covered them, the tracker was blocked, or not connected. Reads the
-- whole ledger.
WITH charges AS (
    SELECT e.id AS entry_id, e.kind, e.account_id, e.day, e.at, li.tracker_id
    FROM ledger_entries e JOIN ledger_lines li ON li.entry_id = e.id JOIN ledger_accounts l ON l.id = li.ledger_id
    WHERE e.kind IN ('daily', 'connection') AND l.kind = 'customer'
), walked AS ( -- with the newest connection before it
    SELECT *, max(day) FILTER (WHERE kind = 'connection') OVER (PARTITION BY tracker_id ORDER BY entry_id) AS connected
    FROM charges
), days AS (
    SELECT * FROM walked WHERE kind = 'daily'
)
SELECT format('account %s, tracker %s, entry %s', account_id, tracker_id, entry_id), what
FROM (
    SELECT entry_id, account_id, tracker_id, format('%s was charged, which the connection of %s covers', day, connected) AS what
    FROM days WHERE day <= connected + 30
    UNION ALL
    SELECT d.entry_id, d.account_id, d.tracker_id, format('%s was charged while it was blocked since %s (%s)', d.day, b.day, b.kind)
    FROM days d JOIN blocks b ON b.tracker_id = d.tracker_id
    WHERE (d.at > b.since OR d.day > b.day) AND (b.until IS NULL OR d.at < b.until)
    UNION ALL
    SELECT d.entry_id, d.account_id, d.tracker_id, format('%s was charged, and it was removed at %s', d.day, t.removed_at)
    FROM days d JOIN billed_trackers t ON t.id = d.tracker_id
    WHERE d.at > t.removed_at
    UNION ALL
    SELECT entry_id, account_id, tracker_id, format('%s was charged, and no connection before it', day)
    FROM days WHERE connected IS NULL
) wrong
ORDER BY entry_id, tracker_id
LIMIT 1000
