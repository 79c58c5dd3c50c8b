-- What was decided of a refund. Lives on the primary key.
UPDATE refunds
SET state = %(state)s, reason = coalesce(%(reason)s, reason), decided_by = coalesce(%(user_id)s, decided_by),
    decided_at = coalesce(decided_at, %(now)s)
WHERE id = %(id)s
