-- Part of a refund goes back by this payment.
INSERT INTO refund_parts (refund_id, payment_id, amount) VALUES (%(refund_id)s, %(payment_id)s, %(amount)s)
