-- The ways that payments came by, by name: a step from one to the next. Lives on payments_provider for those that have an id of the
-- provider's; the others are few kinds.
SELECT provider AS name FROM payments GROUP BY provider ORDER BY provider LIMIT 50
