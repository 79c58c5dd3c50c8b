-- What was answered under this key. Primary key.
SELECT request, status, answer FROM idempotency_keys WHERE user_id = %(user_id)s AND key = %(key)s
