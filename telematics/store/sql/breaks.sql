-- When these devices were blocked or unblocked within a range of time, as milliseconds since 1970. Lives on the primary key of device_breaks.
SELECT device_id, (extract(epoch FROM at) * 1000)::bigint
FROM device_breaks
WHERE device_id = ANY(%(device_ids)s::int[]) AND at > %(since)s AND at <= %(until)s
ORDER BY device_id, at
