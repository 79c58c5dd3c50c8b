-- How many zones an account has. Index of zones (account_id, id).
SELECT count(*) FROM zones WHERE account_id = %(account)s
