-- What is known of a payment now. Lives on the primary key.
UPDATE payments
SET amount = %(amount)s, state = %(state)s, reason = %(reason)s, flagged = %(flagged)s, received = %(received)s,
    refunded = %(refunded)s, provider_id = %(provider_id)s, entry_id = %(entry_id)s, attributes = %(attributes)s,
    paid_at = %(paid_at)s, changed_at = %(now)s
WHERE id = %(id)s
