-- A provider's word is kept, once; its number, or nothing where it was heard before. Lives on payment_events' unique index.
INSERT INTO payment_events (provider, event_id, payment_id, kind, body, outcome, at)
VALUES (%(provider)s, %(event_id)s, %(payment_id)s, %(kind)s, %(body)s, %(outcome)s, %(now)s)
ON CONFLICT (provider, event_id) DO NOTHING
RETURNING id
