-- Puts all that wait for the same rule and address, and weren't tried yet, into one message; what is too old stays behind.
-- Index of deliveries (channel, address, rule_id) WHERE state = 'waiting'.
UPDATE deliveries
SET state = 'bundled', bundled_in = %(id)s, reason = NULL
WHERE id IN (
    SELECT deliveries.id
    FROM deliveries
    JOIN alerts ON alerts.id = alert_id
    WHERE state = 'waiting' AND channel = %(channel)s AND address = %(address)s AND rule_id = %(rule_id)s AND attempts = 0
      AND deliveries.id <> %(id)s AND least(alerts.noticed_at, alerts.created_at) >= now() - make_interval(secs => %(stale_s)s)
    ORDER BY deliveries.id
    LIMIT %(limit)s
    FOR UPDATE OF deliveries SKIP LOCKED
)
