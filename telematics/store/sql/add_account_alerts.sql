-- Stores alerts that are about accounts themselves, where they are not there yet, and tells every process of each once this is
-- committed; returns number, account, type and subject. Unique index of alerts (account_id, time, type, subject) WHERE device_id IS NULL.
WITH added AS (
    INSERT INTO alerts (account_id, time, noticed_at, type, subject, attributes, urgent)
    SELECT account_id, %(now)s, %(now)s, type, subject, given.attributes, urgent
    FROM unnest(%(account_ids)s::int[], %(types)s::text[], %(subjects)s::text[], %(attributes)s::jsonb[], %(urgents)s::boolean[])
        AS given (account_id, type, subject, attributes, urgent)
    JOIN accounts ON accounts.id = account_id
    ON CONFLICT DO NOTHING
    RETURNING id, account_id, type, subject
)
SELECT id, account_id, type, subject FROM added, LATERAL (SELECT pg_notify('changes', 'account_alerts:' || id)) AS told
