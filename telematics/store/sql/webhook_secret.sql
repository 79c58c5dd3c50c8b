-- What calls of a delivery's webhook are signed with: at most one row. Primary keys of deliveries and rules.
SELECT rules.webhook_secret
FROM deliveries
JOIN rules ON rules.id = deliveries.rule_id
WHERE deliveries.id = %(id)s
