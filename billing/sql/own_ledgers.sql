-- The provider's ledger account of incomes in each currency. Reads all accounts once a run.
INSERT INTO ledger_accounts (kind, currency)
SELECT DISTINCT 'revenue', currency FROM billing_accounts ORDER BY currency
ON CONFLICT DO NOTHING
