-- Ledger accounts of a customer, and the provider's of these kinds and names in a currency. Lives on the unique indexes.
SELECT id, kind, name, balance FROM ledger_accounts
WHERE account_id = %(account_id)s
   OR (account_id IS NULL AND currency = %(currency)s AND kind = ANY(%(kinds)s) AND name = ANY(%(names)s))
