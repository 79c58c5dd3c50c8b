-- Forgets answers to requests that are not sent again any more. Lives on idempotency_keys (created_at).
DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(days => %(days)s)
