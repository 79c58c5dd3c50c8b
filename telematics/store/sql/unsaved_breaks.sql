-- When devices were blocked or unblocked since what was saved of their states, in order of time, as milliseconds since 1970; and the
-- breaks (false) of those that have had no place since. Reads all of device_breaks, and device_state by its primary key.
SELECT device_id, (extract(epoch FROM at) * 1000)::bigint, received IS NULL OR at > received
FROM device_breaks
LEFT JOIN device_state USING (device_id)
WHERE received IS NULL OR at > received OR zoned_time IS NULL
ORDER BY at
