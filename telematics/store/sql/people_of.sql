-- Whom to tell of an account's own affairs: its people who may do something about it; with `user_ids` those of them.
-- Index of users (account_id).
SELECT users.id, users.account_id, email, users.name, coalesce(users.language, accounts.language) AS language,
    coalesce(users.time_zone, accounts.time_zone) AS time_zone, phone, quiet_hours, administrator, false AS disabled
FROM users
JOIN accounts ON accounts.id = users.account_id
WHERE users.account_id = ANY(%(account_ids)s::int[]) AND NOT users.disabled AND NOT users.readonly AND NOT accounts.disabled
  AND (%(user_ids)s::int[] IS NULL OR users.id = ANY(%(user_ids)s))
ORDER BY users.id
