-- What an account is called. Lives on the primary key.
SELECT name FROM accounts WHERE id = %(account_id)s
