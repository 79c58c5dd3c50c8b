-- An operator has seen to a word that nobody could use. Lives on the primary key.
UPDATE payment_events SET outcome = %(outcome)s
WHERE id = %(id)s AND payment_id IS NULL AND outcome NOT LIKE 'dismissed%%'
RETURNING id, provider, event_id, kind, body, outcome, at
