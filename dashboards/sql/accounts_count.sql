SELECT count(*) FROM accounts WHERE %(everything)s OR id = %(account_id)s
