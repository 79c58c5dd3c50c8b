-- What trips and stops are made of: a device's believable places in order of time. What the account's
-- tariffs don't show is left out (billing/allowances.py). Primary key of positions (device_id, time).
SELECT id, time, latitude, longitude, speed_kmh, motion, distance_m, odometer_m, fuel_l, engine_hours_s
FROM positions
WHERE device_id = %(device_id)s AND time >= %(since)s AND time <= %(until)s AND latitude IS NOT NULL AND NOT outlier
  AND (%(received_from)s::timestamptz[] IS NULL
       OR time >= (%(not_before)s::timestamptz[])[1 + width_bucket(received, %(received_from)s::timestamptz[])])
ORDER BY time
LIMIT %(limit)s
