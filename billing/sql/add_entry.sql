-- An entry; its number. Lives on the unique index of keys.
INSERT INTO ledger_entries (account_id, kind, currency, amount, day, at, key, reverses, user_id, memo, attributes)
VALUES (%(account_id)s, %(kind)s, %(currency)s, %(amount)s, %(day)s, %(at)s, %(key)s, %(reverses)s, %(user_id)s, %(memo)s, %(attributes)s)
RETURNING id
