-- What became of a provider's word, and of which payment it is. Lives on the primary key.
UPDATE payment_events SET outcome = %(outcome)s, payment_id = %(payment_id)s WHERE id = %(id)s
