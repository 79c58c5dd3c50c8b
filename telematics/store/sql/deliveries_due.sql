-- Deliveries of a channel that are due, the first for each address (those that are busy, and those of full accounts,
-- left out), oldest first, and whether their
-- alert is too old to be told, which those about accounts never are. Index of deliveries (channel, due_at) WHERE state = 'waiting'.
SELECT id, account_id, address, stale
FROM (
    SELECT DISTINCT ON (address) due.id, due.account_id, address, due_at, attempts = 0 AND device_id IS NOT NULL
        AND least(alerts.noticed_at, alerts.created_at) < now() - make_interval(secs => %(stale_s)s) AS stale
    FROM (
        SELECT id, account_id, address, due_at, attempts, alert_id
        FROM deliveries
        WHERE state = 'waiting' AND channel = %(channel)s AND due_at <= now() AND address <> ALL(%(busy)s::text[])
          AND account_id <> ALL(%(full)s::int[])
        ORDER BY due_at, id
        LIMIT %(looked_at)s
    ) AS due
    JOIN alerts ON alerts.id = alert_id
    ORDER BY address, due_at, due.id
) AS first
ORDER BY due_at, id
LIMIT %(limit)s
