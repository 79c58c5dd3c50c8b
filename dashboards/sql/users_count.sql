SELECT count(*) FROM users WHERE %(everything)s OR account_id = %(account_id)s
