-- Adds a comment to an alert that the viewer may see; returns whose it is. No row: there is no such alert, or it has too many.
-- Primary key of alerts, index of alert_comments (alert_id).
WITH added AS (
    INSERT INTO alert_comments (alert_id, user_id, text)
    SELECT id, %(user_id)s, %(text)s
    FROM alerts
    WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
      AND (SELECT count(*) FROM alert_comments WHERE alert_id = %(id)s) < %(most)s
    RETURNING alert_id
)
SELECT alerts.id, account_id, device_id FROM added JOIN alerts ON alerts.id = alert_id
