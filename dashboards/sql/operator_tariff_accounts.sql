-- How many accounts are on each tariff. Reads all accounts' billing.
SELECT tariff_id, count(*) AS accounts FROM billing_accounts GROUP BY tariff_id
