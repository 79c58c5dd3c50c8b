-- Alerts about accounts themselves with the users who are shown them at once. Primary key of alerts, deliveries (alert_id, …).
SELECT id, account_id,
    ARRAY(SELECT user_id FROM deliveries WHERE alert_id = alerts.id AND channel = 'web' AND user_id IS NOT NULL) AS toast
FROM alerts
WHERE id = ANY(%(ids)s::bigint[]) AND device_id IS NULL
