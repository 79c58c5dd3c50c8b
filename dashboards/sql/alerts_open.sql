-- How many alerts nobody has acknowledged, counted up to 10,000. Index of alerts (account_id, id) WHERE acknowledged_at IS NULL.
SELECT count(*) FROM (
    SELECT FROM alerts WHERE (%(everything)s OR account_id = %(account_id)s) AND acknowledged_at IS NULL LIMIT 10000
) AS seen
