-- Positions with these numbers, of devices that the viewer may see and that aren't blocked, but for those that the account's tariffs don't show
-- (billing/allowances.py). Index of positions (id).
SELECT positions.id, device_id, time, received, valid, outlier, distance_m, latitude, longitude, altitude_m, speed_kmh, course_deg,
       accuracy_m, satellites, ignition, motion, power_v, battery_v, battery_percent, odometer_m, engine_hours_s, fuel_l, gsm,
       alarms, positions.attributes::text AS attributes
FROM positions
JOIN devices ON devices.id = positions.device_id
WHERE positions.id = ANY(%(ids)s) AND (%(everything)s OR devices.account_id = %(account_id)s) AND devices.blocked IS NULL
  AND (%(received_from)s::timestamptz[] IS NULL
       OR time >= (%(not_before)s::timestamptz[])[1 + width_bucket(received, %(received_from)s::timestamptz[])])
ORDER BY positions.id
