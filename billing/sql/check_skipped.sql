-- Days that a working tracker was not charged for, between its charges and up to the account's newest day. Where a connection follows it
-- may have been the test tracker, of which the past tells nothing. Reads the whole ledger.
WITH charges AS (
    SELECT li.tracker_id, e.day, CASE e.kind WHEN 'connection' THEN e.day + 30 ELSE e.day END AS through, e.kind = 'daily' AS daily
    FROM ledger_entries e JOIN ledger_lines li ON li.entry_id = e.id JOIN ledger_accounts l ON l.id = li.ledger_id
    WHERE e.kind IN ('daily', 'connection') AND l.kind = 'customer'
), walked AS ( -- each with the last day that was paid before it
    SELECT *, max(through) OVER (PARTITION BY tracker_id ORDER BY day, through ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM charges
), newest AS (
    SELECT tracker_id, max(through) AS through FROM charges GROUP BY tracker_id
), gaps AS (
    SELECT tracker_id, before + 1 AS first, day - 1 AS last FROM walked WHERE daily AND day > before + 1
    UNION ALL
    SELECT t.id, newest.through + 1, least(b.charged_through, blocked.day - 1)
    FROM newest JOIN billed_trackers t ON t.id = newest.tracker_id JOIN billing_accounts b ON b.account_id = t.account_id
        LEFT JOIN (SELECT tracker_id, min(day) AS day FROM blocks WHERE until IS NULL GROUP BY tracker_id) blocked
            ON blocked.tracker_id = t.id
    WHERE t.removed_at IS NULL AND NOT t.test AND NOT t.connection_due
      AND newest.through < least(b.charged_through, blocked.day - 1)
), in_force AS (
    SELECT tariff_id, price, CASE WHEN row_number() OVER versions > 1 THEN since ELSE '-infinity' END AS since,
        coalesce(lead(since) OVER versions, 'infinity') AS until
    FROM tariff_versions
    WINDOW versions AS (PARTITION BY tariff_id ORDER BY since)
), periods AS ( -- a day is charged by the tariff that it begins with
    SELECT p.account_id, p.tariff_id, coalesce(p.day, '-infinity') AS after, coalesce(lead(p.day) OVER stretch, 'infinity') AS through
    FROM tariff_periods p
    WINDOW stretch AS (PARTITION BY p.account_id ORDER BY p.since, p.id)
), days AS (
    SELECT t.id, t.account_id, day::date AS day
    FROM gaps JOIN billed_trackers t ON t.id = gaps.tracker_id
        CROSS JOIN generate_series(gaps.first::timestamp, gaps.last::timestamp, interval '1 day') AS day
)
SELECT format('account %s, tracker %s', d.account_id, d.id), format('%s was not charged, and it was working', d.day)
FROM days d
    JOIN periods p ON p.account_id = d.account_id AND d.day > p.after AND d.day <= p.through
    JOIN tariffs ON tariffs.id = p.tariff_id AND tariffs.currency IS NOT NULL
    JOIN in_force v ON v.tariff_id = p.tariff_id AND d.day >= v.since AND d.day < v.until
    CROSS JOIN LATERAL (
        SELECT sum(sign * (round(exact) - (exact % 1 = 0.5 AND round(exact) % 2 = 1)::int)) AS amount -- half to even
        FROM (VALUES (1, extract(day FROM d.day)::int), (-1, extract(day FROM d.day)::int - 1)) AS part (sign, days)
            CROSS JOIN LATERAL (
                SELECT v.price::numeric(40, 9) * part.days
                    / extract(day FROM date_trunc('month', d.day::timestamp) + interval '1 month - 1 day')::int AS exact
            ) e
    ) share
WHERE share.amount > 0
  AND NOT EXISTS ( -- a block may end on a day that begins earlier or later elsewhere
      SELECT FROM blocks
      WHERE tracker_id = d.id AND blocks.day <= d.day
        AND d.day <= coalesce((until AT TIME ZONE 'UTC' + interval '14 hours')::date, 'infinity')
  )
ORDER BY d.account_id, d.id, d.day
LIMIT 1000
