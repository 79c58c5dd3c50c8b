-- The user who signs in so, unless disabled: at most one row. Lives on the unique index of users (email).
SELECT users.id AS user_id, users.account_id, users.email, users.name, users.administrator, users.readonly,
       users.commands, users.language, users.attributes, users.password_hash
FROM users
JOIN accounts ON accounts.id = users.account_id
WHERE users.email = %(email)s AND NOT users.disabled AND NOT accounts.disabled
