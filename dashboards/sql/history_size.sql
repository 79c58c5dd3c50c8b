-- How many positions history.sql would give, counted up to a bound. Primary key of positions (device_id, time).
SELECT count(*)
FROM (
    SELECT FROM positions WHERE device_id = ANY(%(device_ids)s) AND time >= %(since)s AND time <= %(until)s LIMIT %(bound)s
) AS counted
