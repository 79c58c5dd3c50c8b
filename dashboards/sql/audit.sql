-- Who did what, that the viewer may know of, the newest first. Where the provider's people come from is not the customers' business.
-- Lives on audit (account_id, id), (action, id) and the primary key.
SELECT audit.id, audit.at, audit.user_id, audit.user_name, audit.account_id, accounts.name AS account, audit.action, audit.subject,
    audit.details, audit.address, coalesce(users.account_id IS DISTINCT FROM audit.account_id AND audit.user_id IS NOT NULL, false) AS by_provider
FROM audit
    LEFT JOIN accounts ON accounts.id = audit.account_id
    LEFT JOIN users ON users.id = audit.user_id
WHERE (%(everything)s OR audit.account_id = %(account_id)s)
  AND (%(wanted)s::int IS NULL OR audit.account_id = %(wanted)s)
  AND (%(action)s::text IS NULL OR audit.action = %(action)s)
  AND (%(user_id)s::int IS NULL OR audit.user_id = %(user_id)s)
  AND (%(since)s::timestamptz IS NULL OR audit.at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR audit.at < %(until)s)
  AND (%(before)s::bigint IS NULL OR audit.id < %(before)s)
ORDER BY audit.id DESC
LIMIT %(limit)s
