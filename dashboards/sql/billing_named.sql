-- The trackers that an account's statement may name, those that it has first, by name. Lives on billed_trackers_account.
SELECT device_id AS id, (array_agg(name ORDER BY id DESC))[1] AS name, bool_and(removed_at IS NOT NULL) AS removed
FROM billed_trackers WHERE account_id = %(account_id)s
GROUP BY device_id ORDER BY removed, name, id
LIMIT %(limit)s
