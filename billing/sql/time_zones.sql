-- The time zones of accounts. Reads all accounts.
SELECT DISTINCT time_zone FROM accounts ORDER BY time_zone
