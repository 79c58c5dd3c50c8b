-- How many payments fit all that is given. Lives on payments_account or payments_flagged.
SELECT count(*)
FROM payments p
WHERE (%(account_id)s::int IS NULL OR p.account_id = %(account_id)s)
    AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
    AND (%(state)s::text IS NULL OR p.state = %(state)s)
    AND (NOT %(flagged)s OR p.flagged IS NOT NULL)
