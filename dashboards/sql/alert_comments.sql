-- The comments of an alert, oldest first; whether the viewer may see it is asked before. Index of alert_comments (alert_id).
SELECT alert_comments.id, user_id, coalesce(users.name, '') AS name, text, alert_comments.created_at
FROM alert_comments
LEFT JOIN users ON users.id = user_id
WHERE alert_id = %(alert_id)s
ORDER BY alert_comments.id
