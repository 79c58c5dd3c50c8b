-- By which payments these refunds go back, in the order in which they are paid. Lives on the primary key.
SELECT r.refund_id, r.payment_id, p.provider, r.amount, r.state, r.provider_id, r.reason, r.tries, r.entry_id
FROM refund_parts r JOIN payments p ON p.id = r.payment_id
WHERE r.refund_id = ANY(%(ids)s)
ORDER BY r.refund_id, p.paid_at DESC, p.id DESC
