-- Connections that are not paid where they are due, paid where they are not, or cover other days than theirs. Reads all trackers and
-- the connections in the ledger.
WITH stretches AS ( -- since when an account has been on paid tariffs without a break; those on the free one have none
    SELECT p.account_id, min(p.since) AS since
    FROM (
        SELECT p.*, t.currency IS NULL AS free,
            max(CASE WHEN t.currency IS NULL THEN p.id END) OVER (PARTITION BY p.account_id) AS last_free
        FROM tariff_periods p JOIN tariffs t ON t.id = p.tariff_id
    ) p
    WHERE NOT p.free AND p.id > coalesce(p.last_free, 0)
    GROUP BY p.account_id
), paid AS (
    SELECT li.tracker_id, e.id AS entry_id, e.account_id, e.day, e.at,
        lag(e.day) OVER connections AS day_before, lag(e.at) OVER connections AS at_before,
        row_number() OVER (PARTITION BY li.tracker_id ORDER BY e.id DESC) = 1 AS last
    FROM ledger_entries e JOIN ledger_lines li ON li.entry_id = e.id JOIN ledger_accounts l ON l.id = li.ledger_id
    WHERE e.kind = 'connection' AND l.kind = 'customer'
    WINDOW connections AS (PARTITION BY li.tracker_id ORDER BY e.id)
), due AS (
    SELECT t.*, paid.day AS paid_day, paid.at AS paid_at, s.since
    FROM billed_trackers t JOIN stretches s ON s.account_id = t.account_id LEFT JOIN paid ON paid.tracker_id = t.id AND paid.last
    WHERE t.removed_at IS NULL AND NOT t.test
)
SELECT format('account %s, tracker %s', account_id, id), what
FROM (
    SELECT account_id, id, 'it works, and its connection is not paid' AS what
    FROM due WHERE blocked IS NULL AND connection_due AND connected_at < now() - interval '1 hour'
    UNION ALL
    SELECT account_id, id, 'its connection passes for paid, and there is no charge of it'
    FROM due WHERE NOT connection_due AND (paid_at IS NULL OR paid_at < since)
    UNION ALL
    SELECT account_id, id, format('its connection of %s covers it until %s instead of %s', paid_day, covered_until, paid_day + 30)
    FROM due WHERE NOT connection_due AND paid_at >= since AND covered_until IS DISTINCT FROM paid_day + 30
    UNION ALL
    SELECT paid.account_id, paid.tracker_id,
        format('its connection was charged on %s and again on %s, by entry %s', paid.day_before, paid.day, paid.entry_id)
    FROM paid JOIN billed_trackers t ON t.id = paid.tracker_id
    WHERE paid.last AND t.connected_at <= paid.at_before -- a test tracker that becomes an ordinary one is connected anew
      AND NOT EXISTS (
          SELECT FROM tariff_periods p JOIN tariffs f ON f.id = p.tariff_id
          WHERE p.account_id = paid.account_id AND f.currency IS NULL AND p.since >= paid.at_before AND p.since <= paid.at
      )
) wrong
ORDER BY account_id, id
LIMIT 1000
