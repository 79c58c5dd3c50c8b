-- Accounts by their numbers, with the currency of their money. Lives on the primary keys.
SELECT a.id, a.name, b.currency FROM accounts a JOIN billing_accounts b ON b.account_id = a.id WHERE a.id = ANY(%(ids)s)
