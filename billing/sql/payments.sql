-- Payments that fit all that is given, the newest first. Lives on the primary key, payments_reference_key, payments_provider,
-- payments_account or payments_flagged, whichever is asked for.
SELECT p.id, p.reference, p.account_id, a.name AS account_name, p.provider, p.provider_id, p.amount, p.currency, p.state, p.reason,
    p.flagged, p.received, p.refunded, p.page_url, p.entry_id, p.user_id, p.note, p.created_at, p.changed_at, p.paid_at, p.attributes
FROM payments p LEFT JOIN accounts a ON a.id = p.account_id
WHERE (%(id)s::bigint IS NULL OR p.id = %(id)s)
    AND (%(reference)s::uuid IS NULL OR p.reference = %(reference)s)
    AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
    AND (%(provider_id)s::text IS NULL OR p.provider_id = %(provider_id)s)
    AND (%(account_id)s::int IS NULL OR p.account_id = %(account_id)s)
    AND (%(state)s::text IS NULL OR p.state = %(state)s)
    AND (NOT %(flagged)s OR p.flagged IS NOT NULL)
ORDER BY p.id DESC
LIMIT %(limit)s OFFSET %(offset)s
