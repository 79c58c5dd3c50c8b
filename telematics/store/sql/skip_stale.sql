-- Skips what is due and too old to be told, so many at most: after a long silence of the server there may be thousands. What is
-- about an account itself is not skipped for its age.
-- Index of deliveries (channel, due_at) WHERE state = 'waiting'.
UPDATE deliveries
SET state = 'skipped', reason = 'stale'
WHERE id IN (
    SELECT deliveries.id
    FROM deliveries
    JOIN alerts ON alerts.id = alert_id
    WHERE state = 'waiting' AND channel = %(channel)s AND due_at <= now() AND attempts = 0 AND device_id IS NOT NULL
      AND least(alerts.noticed_at, alerts.created_at) < now() - make_interval(secs => %(stale_s)s)
    ORDER BY due_at
    LIMIT %(limit)s
    FOR UPDATE OF deliveries SKIP LOCKED
)
