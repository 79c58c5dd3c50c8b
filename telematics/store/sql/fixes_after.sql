-- The good positions of a device from one time on, up to another, oldest first. Lives on the primary key of positions.
SELECT {columns} FROM positions
WHERE device_id = %(device_id)s AND time >= %(since)s AND time <= %(until)s AND latitude IS NOT NULL AND valid AND NOT outlier
ORDER BY time
LIMIT %(limit)s
