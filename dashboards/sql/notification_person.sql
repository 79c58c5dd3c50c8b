-- The one who asks, as rules know people. Primary keys of users and accounts.
SELECT users.id, account_id, email, users.name, coalesce(users.language, accounts.language) AS language,
    coalesce(users.time_zone, accounts.time_zone) AS time_zone, phone, NULL AS quiet, administrator
FROM users
JOIN accounts ON accounts.id = account_id
WHERE users.id = %(user_id)s
