-- Sets the distance of stored positions. Lives on the primary key of positions.
UPDATE positions
SET distance_m = given.distance_m
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[], %(distances)s::float8[]) AS given (device_id, time, distance_m)
WHERE positions.device_id = given.device_id AND positions.time = given.time
    AND positions.time BETWEEN %(since)s AND %(until)s
