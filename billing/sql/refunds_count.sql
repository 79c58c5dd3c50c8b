-- How many refunds fit all that is given. Lives on refunds_account or refunds_open.
SELECT count(*)
FROM refunds
WHERE (%(account_id)s::int IS NULL OR account_id = %(account_id)s)
    AND (NOT %(open)s OR state IN ('requested', 'paying'))
    AND (%(state)s::text IS NULL OR state = %(state)s)
