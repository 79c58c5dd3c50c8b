-- How many accounts have days to be charged, and how many days, without those that failed. Reads all accounts.
SELECT count(*), coalesce(sum(CASE WHEN b.charged_through IS NULL THEN 1 ELSE today.day - b.charged_through END), 0)::bigint
FROM billing_accounts b JOIN accounts a ON a.id = b.account_id
    JOIN unnest(%(zones)s::text[], %(days)s::date[]) AS today (zone, day) ON today.zone = a.time_zone
WHERE b.account_id <> ALL(%(failed)s) AND (b.charged_through IS NULL OR b.charged_through < today.day)
