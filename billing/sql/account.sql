-- An account's billing and its money at hand. Lives on the primary keys and ledger_accounts_customer.
SELECT b.currency, b.tariff_id, b.charged_through, a.time_zone, coalesce(l.balance, 0) AS balance
FROM billing_accounts b JOIN accounts a ON a.id = b.account_id
    LEFT JOIN ledger_accounts l ON l.account_id = b.account_id AND l.kind = 'customer'
WHERE b.account_id = %(account_id)s
