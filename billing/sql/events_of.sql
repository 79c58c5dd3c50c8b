-- What was said of a payment, in order. Lives on payment_events_payment.
SELECT id, provider, event_id, kind, body, outcome, at FROM payment_events WHERE payment_id = %(payment_id)s ORDER BY id LIMIT 500
