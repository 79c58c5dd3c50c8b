-- Where a device was on its way to a moment, the newest first, by its good fixes; %(limit)s at most. Primary key of positions.
SELECT latitude, longitude, course_deg, time
FROM positions
WHERE device_id = %(device_id)s AND time BETWEEN %(since)s AND %(until)s
  AND latitude IS NOT NULL AND valid AND NOT outlier
ORDER BY time DESC
LIMIT %(limit)s
