-- The user as they are now, unless disabled: at most one row. Lives on the primary key of users.
SELECT users.id AS user_id, users.account_id, users.email, users.name, users.administrator, users.readonly,
       users.commands, users.language, users.attributes, users.password_hash
FROM users
JOIN accounts ON accounts.id = users.account_id
WHERE users.id = %(user_id)s AND NOT users.disabled AND NOT accounts.disabled
