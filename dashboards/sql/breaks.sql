-- When a device was blocked and unblocked, in order of time: a track is in parts there. Primary key of device_breaks.
SELECT at
FROM device_breaks
WHERE device_id = %(device_id)s AND at > %(since)s AND at <= %(until)s
ORDER BY at
