-- An account's billing, locked until the transaction ends, with its time zone; until then the account isn't removed, either. Lives on
-- the primary keys.
SELECT b.account_id, b.currency, b.tariff_id, b.charged_through, a.time_zone
FROM billing_accounts b JOIN accounts a ON a.id = b.account_id
WHERE b.account_id = %(account_id)s
FOR UPDATE OF b FOR KEY SHARE OF a
