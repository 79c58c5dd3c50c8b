-- The currency of an account's money. Lives on the primary key.
SELECT currency FROM billing_accounts WHERE account_id = %(account_id)s
