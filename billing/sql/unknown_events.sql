-- Words about payments that we don't know: of one provider's about this transaction or reference, or all; the newest first. Lives on
-- payment_events_unknown.
SELECT id, provider, event_id, kind, body, outcome, at
FROM payment_events
WHERE payment_id IS NULL AND outcome = 'unknown'
    AND (%(id)s::bigint IS NULL OR id = %(id)s)
    AND (
        %(provider)s::text IS NULL
        OR provider = %(provider)s
            AND (body -> 'notice' ->> 'provider_id' = %(provider_id)s OR body -> 'notice' ->> 'reference' = %(reference)s)
    )
ORDER BY id DESC
LIMIT %(limit)s
