-- How many administrators can sign in and change things.
SELECT count(*)
FROM users
JOIN accounts ON accounts.id = users.account_id
WHERE users.administrator AND NOT users.readonly AND NOT users.disabled AND NOT accounts.disabled
