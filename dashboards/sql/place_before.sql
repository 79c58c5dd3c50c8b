-- The last place of a device before a time: at most one row. Primary key of positions (device_id, time), backwards.
SELECT time, latitude, longitude, altitude_m, course_deg, accuracy_m
FROM positions
WHERE device_id = %(device_id)s AND time < %(since)s AND latitude IS NOT NULL
ORDER BY time DESC
LIMIT 1
