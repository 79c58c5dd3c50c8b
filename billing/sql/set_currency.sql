-- Primary key.
UPDATE billing_accounts SET currency = %(currency)s WHERE account_id = %(account_id)s
