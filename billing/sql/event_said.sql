-- What was said under this id. Lives on payment_events' unique index.
SELECT body -> 'notice' FROM payment_events WHERE provider = %(provider)s AND event_id = %(event_id)s
