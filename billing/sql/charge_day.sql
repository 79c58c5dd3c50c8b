-- A day of each of these accounts, which the caller has locked: trackers are paid for in the order of their connection for as long as
-- the money lasts, the others are blocked. One entry an account, one line a tracker. How much was charged and blocked, by currency.
-- Lives on billed_trackers (account_id, connected_at, id) and the primary keys. `balance / share` trackers are paid for: the product
-- of many and dear ones is more than a bigint.
WITH due AS (
    SELECT d.account_id, d.day, d.version_id, d.share, b.currency, own.id AS revenue_id, l.id AS ledger_id,
        coalesce(l.balance, 0) AS balance
    FROM unnest(%(account_ids)s::int[], %(days)s::date[], %(version_ids)s::int[], %(shares)s::bigint[])
            AS d (account_id, day, version_id, share)
        JOIN billing_accounts b ON b.account_id = d.account_id
        LEFT JOIN ledger_accounts l ON l.account_id = d.account_id AND l.kind = 'customer'
        LEFT JOIN ledger_accounts own ON own.account_id IS NULL AND own.kind = 'revenue' AND own.name = '' AND own.currency = b.currency
), passed AS (
    UPDATE billing_accounts b SET charged_through = due.day FROM due WHERE b.account_id = due.account_id
), ranked AS (
    SELECT due.*, t.id AS tracker_id, row_number() OVER (PARTITION BY due.account_id ORDER BY t.connected_at, t.id) AS no
    FROM due JOIN billed_trackers t ON t.account_id = due.account_id
    WHERE due.share > 0 AND t.removed_at IS NULL AND t.blocked IS NULL AND NOT t.test AND NOT t.connection_due
      AND t.covered_until < due.day
), paid AS (
    SELECT * FROM ranked WHERE no <= balance / share
), entries AS (
    INSERT INTO ledger_entries (account_id, kind, currency, amount, day, at, key)
    SELECT account_id, 'daily', currency, -sum(share)::bigint, day, %(now)s, 'daily:' || account_id || ':' || day
    FROM paid GROUP BY account_id, currency, day ORDER BY account_id
    RETURNING id, account_id, currency, amount
), lines AS (
    INSERT INTO ledger_lines (entry_id, no, ledger_id, tracker_id, version_id, day, amount, daily)
    SELECT e.id, p.no, p.ledger_id, p.tracker_id, p.version_id, p.day, -p.share, true
    FROM paid p JOIN entries e ON e.account_id = p.account_id
    UNION ALL
    SELECT e.id, max(p.no) + 1, p.revenue_id, NULL, NULL, p.day, -e.amount, false
    FROM paid p JOIN entries e ON e.account_id = p.account_id
    GROUP BY e.id, e.amount, p.revenue_id, p.day
    ORDER BY 1, 2
), short AS (
    INSERT INTO blocks (tracker_id, account_id, kind, unpaid, day, since)
    SELECT tracker_id, account_id, 'unpaid', 'daily', day, %(now)s FROM ranked WHERE no > balance / share ORDER BY account_id, no
)
SELECT currency, count(*) FILTER (WHERE no <= balance / share), coalesce(sum(share) FILTER (WHERE no <= balance / share), 0)::bigint,
    count(*) FILTER (WHERE no > balance / share)
FROM ranked GROUP BY currency
