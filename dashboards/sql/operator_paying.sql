-- Of these accounts (all, where none are named) those whose money may not last so many days: what they have, the last day that is charged,
-- and how many trackers are paid for by the day, each number with the last day that their connection covers (2000-01-01: it is over).
-- Reads the paying trackers; of some accounts, billed_trackers (account_id, …).
SELECT b.account_id, b.tariff_id, a.time_zone, coalesce(l.balance, 0) AS balance, b.charged_through, due.covers, due.numbers
FROM (
    SELECT account_id, array_agg(cover ORDER BY cover) AS covers, array_agg(number::int ORDER BY cover) AS numbers,
        sum(number)::bigint AS trackers
    FROM (
        SELECT account_id, CASE WHEN covered_until < current_date - 1 THEN '2000-01-01'::date ELSE covered_until END AS cover,
            count(*) AS number
        FROM billed_trackers
        WHERE removed_at IS NULL AND blocked IS NULL AND NOT test AND NOT connection_due
          AND (%(ids)s::int[] IS NULL OR account_id = ANY(%(ids)s))
          AND covered_until <= current_date + 1 + %(days)s
        GROUP BY 1, 2
    ) by_day
    GROUP BY account_id
) due
    JOIN billing_accounts b ON b.account_id = due.account_id
    JOIN accounts a ON a.id = b.account_id
    JOIN (SELECT tariff_id, max(price) AS price FROM tariff_versions GROUP BY tariff_id HAVING max(price) > 0) dearest
        ON dearest.tariff_id = b.tariff_id
    LEFT JOIN ledger_accounts l ON l.account_id = b.account_id AND l.kind = 'customer'
WHERE coalesce(l.balance, 0) < due.trackers * (dearest.price / 28 + 1) * (%(days)s + 1)
