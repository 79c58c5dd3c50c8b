-- Refunds with parts that a provider is still to be asked for, the oldest first. Lives on refunds_open.
SELECT r.id
FROM refunds r
WHERE r.state = 'paying' AND EXISTS (
    SELECT FROM refund_parts part JOIN payments p ON p.id = part.payment_id
    WHERE part.refund_id = r.id AND part.state = 'waiting' AND p.provider = ANY(%(providers)s)
        AND part.reason IS DISTINCT FROM %(by_hand)s
)
ORDER BY r.id
LIMIT %(limit)s
