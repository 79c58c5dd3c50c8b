-- How many accounts are on each tariff. Reads all accounts.
SELECT tariff_id, count(*)::int AS accounts FROM billing_accounts GROUP BY tariff_id
