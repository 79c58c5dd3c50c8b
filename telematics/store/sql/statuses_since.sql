-- Who came online or went offline since then, oldest first. Lives on events_time.
SELECT device_id, type
FROM events
WHERE time >= %(since)s AND type IN ('deviceOnline', 'deviceOffline')
ORDER BY time
