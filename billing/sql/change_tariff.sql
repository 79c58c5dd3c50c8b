-- An account is on another tariff from now on. Lives on the primary key.
WITH began AS (
    INSERT INTO tariff_periods (account_id, tariff_id, since, day, counted, user_id)
    VALUES (%(account_id)s, %(tariff_id)s, %(now)s, %(day)s, %(counted)s, %(user_id)s)
)
UPDATE billing_accounts SET tariff_id = %(tariff_id)s WHERE account_id = %(account_id)s
