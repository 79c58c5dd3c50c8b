-- Reservations that are older than the sender needs and whose delivery has ended: what became of it, and in how many parts. A test
-- message (its number is negative) has no delivery, and one of which nobody knows any more didn't go out.
-- Lives on sms_charges_open and the primary key of deliveries.
SELECT c.delivery_id, coalesce(d.state, 'failed') AS state, coalesce(d.parts, 1) AS parts
FROM sms_charges c
LEFT JOIN deliveries d ON d.id = c.delivery_id
WHERE c.state = 'reserved' AND c.changed_at < %(before)s AND coalesce(d.state, 'failed') NOT IN ('waiting', 'sending')
ORDER BY c.changed_at, c.delivery_id
LIMIT %(limit)s
