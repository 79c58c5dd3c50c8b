-- For each given (device, time): the last good fix before it (not before `since`) and the first one after it (not after `until`).
-- place (from 1), time, latitude, longitude, distance_m; no row where there is none. Lives on the primary key of positions; the bounds
-- spare it the partitions and chunks outside.
SELECT asked.place, found.time, found.latitude, found.longitude, found.distance_m
FROM unnest(%(device_ids)s::int[], %(since)s::timestamptz[], %(times)s::timestamptz[], %(until)s::timestamptz[])
    WITH ORDINALITY AS asked (device_id, since, time, until, place)
CROSS JOIN LATERAL (
    (
        SELECT time, latitude, longitude, distance_m
        FROM positions
        WHERE device_id = asked.device_id AND time >= asked.since AND time < asked.time
            AND latitude IS NOT NULL AND valid AND NOT outlier
        ORDER BY time DESC
        LIMIT 1
    )
    UNION ALL
    (
        SELECT time, latitude, longitude, distance_m
        FROM positions
        WHERE device_id = asked.device_id AND time > asked.time AND time <= asked.until
            AND latitude IS NOT NULL AND valid AND NOT outlier
        ORDER BY time
        LIMIT 1
    )
) AS found
