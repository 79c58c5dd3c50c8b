-- Accounts whose next day has begun, locked, those that somebody else works on and those that failed left out, by number from one on:
-- the next day of each.
-- Lives on the primary key of billing_accounts.
SELECT b.account_id, b.tariff_id, b.currency, coalesce(b.charged_through + 1, today.day) AS day
FROM billing_accounts b JOIN accounts a ON a.id = b.account_id
    JOIN unnest(%(zones)s::text[], %(days)s::date[]) AS today (zone, day) ON today.zone = a.time_zone
WHERE b.account_id > %(after)s AND b.account_id <> ALL(%(failed)s) AND (b.charged_through IS NULL OR b.charged_through < today.day)
ORDER BY b.account_id
LIMIT %(limit)s
FOR UPDATE OF b SKIP LOCKED
