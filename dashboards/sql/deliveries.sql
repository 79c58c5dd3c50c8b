-- Deliveries that the viewer may see, the newest first. Index of deliveries (account_id, id), (alert_id, channel, address).
-- Of a provider's user, whom only an administrator may see, others learn the name alone.
SELECT deliveries.id, alert_id, rule_id, rules.name AS rule_name, deliveries.user_id, users.name AS user_name,
    messengers.name AS messenger, channel, address, state, reason, attempts, parts, deliveries.created_at, due_at, sent_at,
    fallback_of, bundled_in
FROM deliveries
LEFT JOIN rules ON rules.id = rule_id
LEFT JOIN users ON users.id = deliveries.user_id
LEFT JOIN messengers ON channel = 'messenger' AND messengers.id = CASE WHEN address ~ '^\d{1,9}$' THEN address::int END
WHERE (%(everything)s OR deliveries.account_id = %(account_id)s)
  AND (%(before)s::bigint IS NULL OR deliveries.id < %(before)s)
  AND (%(alert_id)s::bigint IS NULL OR alert_id = %(alert_id)s)
  AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(channel)s::text IS NULL OR channel = %(channel)s)
  AND (%(since)s::timestamptz IS NULL OR deliveries.created_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR deliveries.created_at <= %(until)s)
ORDER BY deliveries.id DESC
LIMIT %(limit)s
