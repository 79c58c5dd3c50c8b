-- The refund that a provider calls so, of this payment. Lives on refund_parts_payment.
SELECT refund_id FROM refund_parts WHERE payment_id = %(payment_id)s AND provider_id = %(provider_id)s AND state = 'paid'
