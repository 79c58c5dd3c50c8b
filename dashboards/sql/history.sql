-- A device's positions in order of time, after a time (the last one given). Primary key of positions (device_id, time).
-- Whose device it is has been asked of devices.sql before. What the account's tariffs don't show is left out (billing/allowances.py).
SELECT id, device_id, time, received, valid, outlier, distance_m, latitude, longitude, altitude_m, speed_kmh, course_deg,
       accuracy_m, satellites, ignition, motion, power_v, battery_v, battery_percent, odometer_m, engine_hours_s, fuel_l, gsm,
       alarms, attributes::text AS attributes
FROM positions
WHERE device_id = %(device_id)s AND time > %(after)s AND time <= %(until)s
  AND (%(received_from)s::timestamptz[] IS NULL
       OR time >= (%(not_before)s::timestamptz[])[1 + width_bucket(received, %(received_from)s::timestamptz[])])
ORDER BY time
LIMIT %(limit)s
