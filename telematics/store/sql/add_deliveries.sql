-- Stores deliveries; those of rules or users that are gone meanwhile are left out, as is a second one to the same address. What is
-- about an account itself has no rule.
-- Returns number, alert, channel and address. Unique index of deliveries (alert_id, channel, address).
INSERT INTO deliveries (alert_id, account_id, rule_id, user_id, channel, address, state, reason, sent_at, fallback_of, due_at)
SELECT alert_id, alerts.account_id, rule_id, user_id, channel, address, state, reason, CASE state WHEN 'sent' THEN now() END,
    fallback_of, coalesce(given.due_at, now())
FROM unnest(
    %(alert_ids)s::bigint[], %(rule_ids)s::int[], %(user_ids)s::int[], %(channels)s::text[], %(addresses)s::text[],
    %(states)s::text[], %(reasons)s::text[], %(fallbacks_of)s::bigint[], %(dues_at)s::timestamptz[]
) WITH ORDINALITY AS given (alert_id, rule_id, user_id, channel, address, state, reason, fallback_of, due_at, place)
JOIN alerts ON alerts.id = alert_id
LEFT JOIN rules ON rules.id = rule_id
LEFT JOIN users ON users.id = user_id
WHERE (user_id IS NULL OR users.id IS NOT NULL) AND (rules.id IS NOT NULL OR rule_id IS NULL AND alerts.device_id IS NULL)
ORDER BY place
ON CONFLICT DO NOTHING
RETURNING id, alert_id, channel, address
