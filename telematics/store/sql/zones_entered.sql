-- The last thing told of each zone of a device up to a time: whether it entered or left, and when. Lives on the primary key of events.
SELECT DISTINCT ON (subject) subject, type, time
FROM events
WHERE device_id = %(device_id)s AND time <= %(at)s AND time >= %(since)s AND type IN ('geofenceEnter', 'geofenceExit')
    AND (attributes -> 'superseded') IS NULL
ORDER BY subject, time DESC
