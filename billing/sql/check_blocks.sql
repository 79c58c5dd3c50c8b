-- Blocks that trackers or devices know nothing of, the other way round, and blocks for want of money where there was enough of it or
-- none was needed. Reads all trackers, and the ledger of accounts with open blocks.
WITH open AS (
    SELECT tracker_id, min(kind) AS kind -- administrator, owner, unpaid
    FROM blocks WHERE until IS NULL GROUP BY tracker_id
), unpaid AS (
    SELECT b.*, t.test, t.connection_due, t.account_id AS owner_id, tariffs.currency IS NULL AS free
    FROM blocks b JOIN billed_trackers t ON t.id = b.tracker_id
        JOIN billing_accounts a ON a.account_id = b.account_id JOIN tariffs ON tariffs.id = a.tariff_id
    WHERE b.kind = 'unpaid' AND b.until IS NULL AND t.removed_at IS NULL
), priced AS ( -- the dearest that it may have cost on its day, by whichever tariff the account was on in it
    SELECT u.id, max(v.price) AS price, max(share.amount) AS share
    FROM unpaid u
        JOIN (SELECT *, lead(day) OVER (PARTITION BY account_id ORDER BY since, id) AS next_day FROM tariff_periods) p
            ON p.account_id = u.account_id AND coalesce(p.day, '-infinity') <= u.day AND coalesce(p.next_day, 'infinity') >= u.day
        JOIN (SELECT *, lead(since) OVER versions AS next_since, row_number() OVER versions AS no FROM tariff_versions
            WINDOW versions AS (PARTITION BY tariff_id ORDER BY since)) v
            ON v.tariff_id = p.tariff_id AND (v.since <= u.day OR v.no = 1) AND coalesce(v.next_since, 'infinity') > u.day
        CROSS JOIN LATERAL (
            SELECT sum(sign * (round(exact) - (exact % 1 = 0.5 AND round(exact) % 2 = 1)::int)) AS amount -- half to even
            FROM (VALUES (1, extract(day FROM u.day)::int), (-1, extract(day FROM u.day)::int - 1)) AS part (sign, days)
                CROSS JOIN LATERAL (
                    SELECT v.price::numeric(40, 9) * part.days
                        / extract(day FROM date_trunc('month', u.day::timestamp) + interval '1 month - 1 day')::int AS exact
                ) e
        ) share
    GROUP BY u.id
), left_over AS ( -- of the account's money when it was blocked
    SELECT u.id, coalesce(sum(e.amount), 0) AS balance
    FROM unpaid u LEFT JOIN ledger_entries e
        ON e.account_id = u.account_id AND (e.at < u.since OR (e.at = u.since AND e.day <= u.day))
    GROUP BY u.id
)
SELECT where_, what
FROM (
    SELECT format('account %s, tracker %s', t.account_id, t.id) AS where_,
        format('it is marked %s, its open blocks say %s', coalesce(t.blocked, 'working'), coalesce(open.kind, 'working')) AS what
    FROM billed_trackers t LEFT JOIN open ON open.tracker_id = t.id
    WHERE t.blocked IS DISTINCT FROM open.kind
    UNION ALL
    SELECT format('account %s, device %s', d.account_id, d.id),
        format('it is marked %s, its tracker %s says %s', coalesce(d.blocked, 'working'), t.id, coalesce(t.blocked, 'working'))
    FROM devices d JOIN billed_trackers t ON t.device_id = d.id AND t.removed_at IS NULL
    WHERE d.blocked IS DISTINCT FROM t.blocked
    UNION ALL
    SELECT format('account %s, device %s', d.account_id, d.id), 'nothing bills it'
    FROM devices d
    WHERE NOT EXISTS (SELECT FROM billed_trackers t WHERE t.device_id = d.id AND t.account_id = d.account_id AND t.removed_at IS NULL)
    UNION ALL
    SELECT format('account %s, tracker %s', t.account_id, t.id),
        format('it is billed, and device %s is gone or another account''s', t.device_id)
    FROM billed_trackers t
    WHERE t.removed_at IS NULL AND NOT EXISTS (SELECT FROM devices d WHERE d.id = t.device_id AND d.account_id = t.account_id)
    UNION ALL
    SELECT format('account %s, tracker %s', b.account_id, b.tracker_id), format('block %s is another account''s', b.id)
    FROM blocks b JOIN billed_trackers t ON t.id = b.tracker_id
    WHERE t.account_id <> b.account_id
    UNION ALL
    SELECT format('account %s, tracker %s', u.account_id, u.tracker_id), said.what
    FROM unpaid u LEFT JOIN priced ON priced.id = u.id LEFT JOIN left_over ON left_over.id = u.id
        CROSS JOIN LATERAL (VALUES
            (u.free, 'it is blocked as unpaid, and the account''s tariff costs nothing'),
            (u.test AND NOT u.free, 'it is blocked as unpaid, and test trackers cost nothing'),
            (NOT u.free AND u.unpaid = 'connection' AND NOT u.connection_due, 'it is blocked for its connection, which is paid'),
            (left_over.balance >= CASE u.unpaid WHEN 'connection' THEN priced.price ELSE priced.share END,
                format('it was blocked on %s as unpaid, and %s were there', u.day, left_over.balance))
        ) AS said (wrong, what)
    WHERE said.wrong
) wrong
ORDER BY where_, what
LIMIT 1000
