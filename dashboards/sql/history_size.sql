-- How many positions history.sql would give, counted up to a bound. Primary key of positions (device_id, time).
SELECT count(*)
FROM (
    SELECT
    FROM positions
    WHERE device_id = ANY(%(device_ids)s) AND time >= %(since)s AND time <= %(until)s
      AND (%(received_from)s::timestamptz[] IS NULL
           OR time >= (%(not_before)s::timestamptz[])[1 + width_bucket(received, %(received_from)s::timestamptz[])])
    LIMIT %(bound)s
) AS counted
