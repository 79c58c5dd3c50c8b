-- Refunds that fit all that is given, the newest first. Lives on the primary key, refunds_account or refunds_open.
SELECT r.id, r.account_id, a.name AS account_name, r.kind, r.amount, r.currency, r.state, r.comment, r.reason, r.user_id,
    r.decided_by, r.created_at, r.decided_at
FROM refunds r LEFT JOIN accounts a ON a.id = r.account_id
WHERE (%(id)s::bigint IS NULL OR r.id = %(id)s)
    AND (%(account_id)s::int IS NULL OR r.account_id = %(account_id)s)
    AND (NOT %(open)s OR r.state IN ('requested', 'paying'))
    AND (%(state)s::text IS NULL OR r.state = %(state)s)
ORDER BY r.id DESC
LIMIT %(limit)s OFFSET %(offset)s
