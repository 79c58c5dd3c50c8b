-- Who did what, the newest first, from before one on. Lives on the primary key, audit (account_id, id) and (action, id).
SELECT audit.id, audit.at, audit.user_id, audit.user_name, audit.account_id, accounts.name AS account, audit.action, audit.subject,
    audit.details, audit.address
FROM audit LEFT JOIN accounts ON accounts.id = audit.account_id
WHERE (%(account_id)s::int IS NULL OR audit.account_id = %(account_id)s)
  AND (%(action)s::text IS NULL OR audit.action = %(action)s)
  AND (%(like)s::text IS NULL OR audit.user_name ILIKE %(like)s OR audit.subject ILIKE %(like)s OR audit.address ILIKE %(like)s)
  AND (%(since)s::timestamptz IS NULL OR audit.at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR audit.at < %(until)s)
  AND (%(before)s::bigint IS NULL OR audit.id < %(before)s)
ORDER BY audit.id DESC
LIMIT %(limit)s
