-- Primary key.
UPDATE idempotency_keys SET status = %(status)s, answer = %(answer)s WHERE user_id = %(user_id)s AND key = %(key)s
