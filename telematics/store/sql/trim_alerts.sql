-- Removes alerts made before a time, so many at most, with their comments and deliveries. Index of alerts (created_at).
DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE created_at < %(before)s ORDER BY created_at LIMIT %(limit)s)
