-- What became of a delivery, or of a try of it. Primary key of deliveries.
UPDATE deliveries
SET state = %(state)s, reason = %(reason)s, uncertain = uncertain OR %(uncertain)s, leased_until = NULL,
    due_at = CASE WHEN %(state)s = 'waiting' THEN now() + make_interval(secs => %(wait_s)s) ELSE due_at END,
    sent_at = CASE WHEN %(state)s = 'sent' THEN now() ELSE sent_at END,
    provider_id = coalesce(%(provider_id)s, provider_id), parts = coalesce(%(parts)s, parts)
WHERE id = %(id)s AND state IN ('waiting', 'sending')
