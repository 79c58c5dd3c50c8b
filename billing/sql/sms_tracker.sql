-- The tracker that a delivery tells of, if it is still the account's; no row of a test message, or of an alert about the account itself.
-- Primary keys of deliveries and alerts, billed_trackers_device.
SELECT t.id
FROM deliveries d
JOIN alerts a ON a.id = d.alert_id
JOIN billed_trackers t ON t.device_id = a.device_id AND t.removed_at IS NULL AND t.account_id = d.account_id
WHERE d.id = %(delivery_id)s
