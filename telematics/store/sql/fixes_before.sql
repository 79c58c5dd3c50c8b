-- The last good positions of a device before a time, newest first. Lives on the primary key of positions.
SELECT {columns} FROM positions
WHERE device_id = %(device_id)s AND time < %(before)s AND time >= %(since)s AND latitude IS NOT NULL AND valid AND NOT outlier
ORDER BY time DESC
LIMIT %(limit)s
