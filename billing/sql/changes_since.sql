-- How often the customer has changed the tariff since this day. Lives on tariff_periods (account_id, …).
SELECT count(*) FROM tariff_periods WHERE account_id = %(account_id)s AND counted AND day >= %(day)s
