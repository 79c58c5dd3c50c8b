-- Of these accounts: how many alerts about themselves they have had since then. Lives on alerts_of_account.
SELECT account_id, count(*)::int FROM alerts
WHERE device_id IS NULL AND account_id = ANY(%(account_ids)s::int[]) AND time >= %(since)s
GROUP BY account_id
