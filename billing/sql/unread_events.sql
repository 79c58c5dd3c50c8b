-- Words of providers' that nobody could use and no operator has seen to, the newest first. Lives on payment_events_unknown.
SELECT id, provider, event_id, kind, body, outcome, at
FROM payment_events
WHERE payment_id IS NULL AND (outcome = 'unknown' OR kind = 'unreadable' AND outcome NOT LIKE 'dismissed%%')
ORDER BY id DESC
LIMIT %(limit)s
