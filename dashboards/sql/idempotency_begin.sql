-- The key becomes this transaction's; no row when it was somebody's already. Waits for whoever writes the same. Primary key.
INSERT INTO idempotency_keys (user_id, key, request, status, answer)
VALUES (%(user_id)s, %(key)s, %(request)s, 0, '')
ON CONFLICT DO NOTHING
