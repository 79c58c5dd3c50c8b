-- The ledger accounts that an entry needs, those that are missing made. Lives on the unique indexes.
INSERT INTO ledger_accounts (account_id, kind, name, currency)
SELECT CASE WHEN kind IN ('customer', 'sms', 'refund') THEN %(account_id)s::int END, kind, name, %(currency)s
FROM unnest(%(kinds)s::text[], %(names)s::text[]) AS wanted (kind, name)
ON CONFLICT DO NOTHING
