-- An account's payments that brought money, the newest first: what we have given back of each ourselves, the same with what we are
-- about to, and whether an operator took the top-up back. Lives on payments_account, refund_parts_payment and ledger_entries_reverses.
SELECT p.id, p.provider, p.amount, p.currency, p.received, p.refunded, p.provider_id, p.state, p.reason, p.flagged, p.attributes,
    p.entry_id, coalesce(ours.given, 0)::bigint AS given, coalesce(ours.amount, 0)::bigint AS ours,
    EXISTS (SELECT FROM ledger_entries r WHERE r.reverses = p.entry_id) AS reversed
FROM payments p
    LEFT JOIN LATERAL (
        SELECT sum(r.amount) AS amount, sum(r.amount) FILTER (WHERE r.state = 'paid') AS given
        FROM refund_parts r JOIN refunds f ON f.id = r.refund_id
        WHERE r.payment_id = p.id AND (r.state = 'paid' OR f.state = 'paying')
    ) ours ON true
WHERE p.account_id = %(account_id)s AND p.entry_id IS NOT NULL
    AND (%(payment_id)s::bigint IS NULL OR p.id = %(payment_id)s)
ORDER BY p.paid_at DESC, p.id DESC
