-- The last place of a device before a time: at most one row, and none where the account's tariffs don't show that one
-- (billing/allowances.py): to look for an older one would be to read all of the past. Primary key of positions (device_id, time), backwards.
SELECT time, latitude, longitude, altitude_m, course_deg, accuracy_m
FROM (
    SELECT time, received, latitude, longitude, altitude_m, course_deg, accuracy_m
    FROM positions
    WHERE device_id = %(device_id)s AND time < %(since)s AND latitude IS NOT NULL
    ORDER BY time DESC
    LIMIT 1
) AS last
WHERE (%(received_from)s::timestamptz[] IS NULL
   OR time >= (%(not_before)s::timestamptz[])[1 + width_bucket(received, %(received_from)s::timestamptz[])])
