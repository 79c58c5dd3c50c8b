-- Reserve for an SMS; how often that was done by now. No row when it is reserved or settled already. Primary key.
INSERT INTO sms_charges AS c (delivery_id, account_id, amount, state, changed_at)
VALUES (%(delivery_id)s, %(account_id)s, %(amount)s, 'reserved', %(now)s)
ON CONFLICT (delivery_id) DO UPDATE
SET amount = excluded.amount, state = 'reserved', tries = c.tries + 1, parts = NULL, changed_at = excluded.changed_at
WHERE c.state = 'returned'
RETURNING tries
