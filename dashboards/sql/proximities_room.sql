-- How many proximities an account has. Index of proximities (account_id, id).
SELECT count(*) FROM proximities WHERE account_id = %(account)s
