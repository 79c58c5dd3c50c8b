-- Who holds this secret, as a session or a token that is still good: at most one row.
-- Lives on the primary key of sessions and the unique index of tokens.
SELECT users.id AS user_id, users.account_id, users.email, users.name, users.administrator, users.readonly,
       users.commands, users.language, users.attributes, users.password_hash,
       secret.kind, secret.expires_at
FROM (
    SELECT 'session' AS kind, user_id, expires_at FROM sessions WHERE hash = %(hash)s
    UNION ALL
    SELECT 'token', user_id, expires_at FROM tokens WHERE hash = %(hash)s
) AS secret
JOIN users ON users.id = secret.user_id
JOIN accounts ON accounts.id = users.account_id
WHERE secret.expires_at > now() AND NOT users.disabled AND NOT accounts.disabled
