-- Deliveries whose sender died while it was sending them, locked. Index of deliveries (leased_until) WHERE state = 'sending'.
SELECT deliveries.id, alert_id, deliveries.account_id, rule_id, user_id, channel, address, attempts, uncertain, fallback_of, reason,
    alerts.device_id, alerts.urgent, alerts.noticed_at, alerts.created_at
FROM deliveries
JOIN alerts ON alerts.id = alert_id
WHERE state = 'sending' AND leased_until < now() AND deliveries.id <> ALL(%(under_way)s::bigint[])
ORDER BY leased_until
LIMIT %(limit)s
FOR UPDATE OF deliveries SKIP LOCKED
