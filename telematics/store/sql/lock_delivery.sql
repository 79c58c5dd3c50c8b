-- A delivery that waits, with its alert, locked for the caller's transaction; no row when somebody else has it. Primary key.
SELECT deliveries.id, alert_id, deliveries.account_id, rule_id, user_id, channel, address, attempts, uncertain, fallback_of, reason,
    alerts.device_id, alerts.urgent, alerts.noticed_at, alerts.created_at
FROM deliveries
JOIN alerts ON alerts.id = alert_id
WHERE deliveries.id = %(id)s AND state = 'waiting'
FOR UPDATE OF deliveries SKIP LOCKED
