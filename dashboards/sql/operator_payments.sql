-- Payments, the newest first, from before one on. Lives on the primary key, payments (account_id, id) and payments_flagged.
SELECT p.id, p.reference::text AS reference, p.account_id, coalesce(a.name, '#' || p.account_id) AS account, p.provider, p.provider_id,
    p.amount, p.currency, p.state, p.reason, p.flagged, p.received, p.refunded, p.entry_id, p.note, p.created_at, p.changed_at, p.paid_at,
    users.name AS user_name
FROM payments p LEFT JOIN accounts a ON a.id = p.account_id LEFT JOIN users ON users.id = p.user_id
WHERE (%(id)s::bigint IS NULL OR p.id = %(id)s)
  AND (%(account_id)s::int IS NULL OR p.account_id = %(account_id)s)
  AND (NOT %(flagged)s OR p.flagged IS NOT NULL)
  AND (%(state)s::text IS NULL OR p.state = %(state)s)
  AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
  AND (%(before)s::bigint IS NULL OR p.id < %(before)s)
ORDER BY p.id DESC
LIMIT %(limit)s
