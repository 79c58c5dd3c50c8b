-- When each device was blocked or unblocked last, as milliseconds since 1970. Reads all of device_breaks: two rows for each time that a device was blocked.
SELECT device_id, (extract(epoch FROM max(at)) * 1000)::bigint
FROM device_breaks
GROUP BY device_id
