-- Warnings that are given now; those that had not been given. Lives on the primary key.
INSERT INTO billing_warnings (account_id, days)
SELECT account_id, days FROM unnest(%(account_ids)s::int[], %(days)s::int[]) AS given (account_id, days)
    JOIN accounts ON accounts.id = account_id
ORDER BY account_id, days
ON CONFLICT DO NOTHING
RETURNING account_id, days
