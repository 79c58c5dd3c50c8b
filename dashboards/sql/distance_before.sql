-- Metres driven before a time: whole days, and the part of its own day.
-- Primary keys of device_days (device_id, day) and positions (device_id, time).
SELECT coalesce((SELECT sum(distance_m) FROM device_days
                 WHERE device_id = %(device_id)s AND day < %(day)s::date), 0)
     + coalesce((SELECT sum(distance_m) FROM positions
                 WHERE device_id = %(device_id)s AND time >= %(day)s AND time < %(since)s), 0)
