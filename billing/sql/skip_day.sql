-- Nothing is charged before an account's first day. Lives on the primary key.
UPDATE billing_accounts SET charged_through = %(day)s WHERE account_id = %(account_id)s
