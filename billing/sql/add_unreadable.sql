-- A provider's word that can't be read is kept, once. Lives on payment_events' unique index.
INSERT INTO payment_events (provider, event_id, kind, body, outcome)
VALUES (%(provider)s, %(event_id)s, 'unreadable', %(body)s, %(outcome)s)
ON CONFLICT (provider, event_id) DO NOTHING
