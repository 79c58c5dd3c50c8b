-- Refunds, the newest first, from before one on, with the ways that the money goes back by.
-- Lives on the primary key, refunds (account_id, id), refunds_open and the primary key of refund_parts.
SELECT r.id, r.account_id, coalesce(a.name, '#' || r.account_id) AS account, r.kind, r.amount, r.currency, r.state, r.comment, r.reason,
    asked.name AS user_name, decided.name AS decided_by, r.created_at, r.decided_at,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'payment', part.payment_id, 'provider', p.provider, 'amount', part.amount, 'state', part.state, 'reason', part.reason,
            'providerId', part.provider_id) ORDER BY part.payment_id)
        FROM refund_parts part JOIN payments p ON p.id = part.payment_id WHERE part.refund_id = r.id
    ), '[]'::jsonb) AS parts
FROM refunds r
    LEFT JOIN accounts a ON a.id = r.account_id
    LEFT JOIN users asked ON asked.id = r.user_id
    LEFT JOIN users decided ON decided.id = r.decided_by
WHERE (%(id)s::bigint IS NULL OR r.id = %(id)s)
  AND (%(account_id)s::int IS NULL OR r.account_id = %(account_id)s)
  AND (%(states)s::text[] IS NULL OR r.state = ANY(%(states)s))
  AND (%(before)s::bigint IS NULL OR r.id < %(before)s)
ORDER BY r.id DESC
LIMIT %(limit)s
