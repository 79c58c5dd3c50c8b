-- Accounts with trackers blocked for want of money that nobody was told of, locked, so that no block of theirs is on its way; those that
-- somebody else works on left out. By number from one on. Lives on blocks_open.
SELECT b.account_id
FROM billing_accounts b
WHERE b.account_id > %(after)s AND b.account_id IN (
    SELECT k.account_id
    FROM blocks k JOIN billed_trackers t ON t.id = k.tracker_id AND t.removed_at IS NULL
        LEFT JOIN billing_warnings w ON w.account_id = k.account_id AND w.days = 0
    WHERE k.until IS NULL AND k.kind = 'unpaid' AND k.id > coalesce(w.block_id, 0)
)
ORDER BY b.account_id
LIMIT %(limit)s
FOR UPDATE OF b SKIP LOCKED
