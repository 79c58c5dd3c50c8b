-- The new calendar's number; no row when the account has as many as it may. Index of calendars (account_id, id).
INSERT INTO calendars (account_id, name, data, attributes)
SELECT %(account)s, %(name)s, %(data)s, %(attributes)s
WHERE (SELECT count(*) FROM calendars WHERE account_id = %(account)s) < %(most)s
RETURNING id
