-- Takes an acknowledgement back. Primary key of alerts.
UPDATE alerts
SET acknowledged_at = NULL, acknowledged_by = NULL
WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
RETURNING id, account_id, device_id
