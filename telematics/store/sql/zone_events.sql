-- What was told of a device and its zones within a time (since excluded), superseded ones among it, oldest first. Lives on the primary
-- key of events.
SELECT time, type, subject, position_id, created_at, coalesce(attributes, '{}'), coalesce((attributes ->> 'superseded')::boolean, false)
FROM events
WHERE device_id = %(device_id)s AND time > %(since)s AND time <= %(until)s AND subject ~ '^[0-9]+$'
    AND type IN ('geofenceEnter', 'geofenceExit', 'geofenceDwell', 'geofencePass', 'geofenceAway', 'deviceOverspeed')
ORDER BY time
LIMIT 10000
