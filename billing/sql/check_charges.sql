-- Charges of trackers that are not what the rules make them: of nobody's or another account's tracker, of a tariff that the account was
-- not on, of a version that was not in force, of another amount. Reads the whole ledger.
WITH in_force AS ( -- which days a version is for; the first is for all days before, too
    SELECT id, tariff_id, price,
        CASE WHEN row_number() OVER versions > 1 THEN since ELSE '-infinity' END AS since,
        coalesce(lead(since) OVER versions, 'infinity') AS until
    FROM tariff_versions
    WINDOW versions AS (PARTITION BY tariff_id ORDER BY since)
), periods AS (
    SELECT account_id, tariff_id, since, coalesce(day, '-infinity') AS day,
        lead(since) OVER stretch AS next_since, lead(day) OVER stretch AS next_day
    FROM tariff_periods
    WINDOW stretch AS (PARTITION BY account_id ORDER BY since, id)
), charges AS (
    SELECT e.id AS entry_id, e.kind, e.account_id, e.day, e.at, li.tracker_id, li.version_id, li.amount
    FROM ledger_entries e JOIN ledger_lines li ON li.entry_id = e.id JOIN ledger_accounts l ON l.id = li.ledger_id
    WHERE e.kind IN ('daily', 'connection') AND l.kind = 'customer'
), costs AS ( -- of each version on each day that anything was charged: its month's days up to it, less those up to the day before
    SELECT version_id, day, kind, CASE kind WHEN 'connection' THEN v.price ELSE (
        SELECT sum(sign * (round(exact) - (exact % 1 = 0.5 AND round(exact) % 2 = 1)::int)) -- half to even
        FROM (VALUES (1, month.no), (-1, month.no - 1)) AS part (sign, days)
            CROSS JOIN LATERAL (SELECT v.price::numeric(40, 9) * part.days / month.of AS exact) e
    ) END AS amount
    FROM (SELECT DISTINCT version_id, day, kind FROM charges) charged
        JOIN tariff_versions v ON v.id = charged.version_id
        CROSS JOIN LATERAL (
            SELECT extract(day FROM day)::int AS no,
                extract(day FROM date_trunc('month', day::timestamp) + interval '1 month - 1 day')::int AS of
        ) month
), judged AS (
    SELECT c.*, v.id IS NOT NULL AS known, c.day >= v.since AND c.day < v.until AS in_force, costs.amount AS cost,
        t.account_id IS NOT DISTINCT FROM c.account_id AS own,
        EXISTS (
            SELECT FROM periods p
            WHERE p.account_id = c.account_id AND p.tariff_id = v.tariff_id AND p.since <= c.at AND p.day <= c.day
              AND (p.next_since IS NULL OR (p.next_since >= c.at AND p.next_day >= c.day))
        ) AS on_tariff
    FROM charges c
        LEFT JOIN in_force v ON v.id = c.version_id
        LEFT JOIN billed_trackers t ON t.id = c.tracker_id
        LEFT JOIN costs ON costs.version_id = c.version_id AND costs.day = c.day AND costs.kind = c.kind
)
SELECT concat_ws(', ', 'account ' || account_id, 'tracker ' || tracker_id, 'entry ' || entry_id), said.what
FROM judged CROSS JOIN LATERAL (VALUES
    (NOT own, format('the %s charge is not of a tracker of the account', kind)),
    (NOT known, format('the %s charge names no version of a tariff', kind)),
    (known AND NOT on_tariff, format('on %s the account was not on the tariff that was charged', day)),
    (known AND NOT in_force, format('the version charged was not in force on %s', day)),
    (known AND amount <> -cost,
        format('%s was charged for %s instead of %s', -amount, CASE kind WHEN 'daily' THEN day::text ELSE kind END, cost))
) AS said (wrong, what)
WHERE said.wrong
ORDER BY entry_id, tracker_id
LIMIT 1000
