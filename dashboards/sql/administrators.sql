-- How many administrators could sign in without this user. There are few users without an account of their own.
SELECT count(*)
FROM users
JOIN accounts ON accounts.id = users.account_id
WHERE users.administrator AND NOT users.readonly AND NOT users.disabled AND NOT accounts.disabled
  AND users.id IS DISTINCT FROM %(without_user)s AND accounts.id IS DISTINCT FROM %(without_account)s
