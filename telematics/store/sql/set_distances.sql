-- Sets the distance of stored positions. Lives on the primary key of positions.
-- An UPDATE … FROM would say it plainer, but joins row by row with whole days where these are too new for statistics (10,000 rows took
-- 7 s), and looks into every chunk. Every row given here exists, so each INSERT ends in its ON CONFLICT: two lookups by the key.
INSERT INTO positions (id, device_id, time, received, valid, outlier, late, distance_m)
SELECT found.id, found.device_id, found.time, found.received, found.valid, found.outlier, found.late, given.distance_m
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[], %(distances)s::float8[]) AS given (device_id, time, distance_m)
CROSS JOIN LATERAL (
    SELECT *
    FROM positions
    WHERE positions.device_id = given.device_id AND positions.time = given.time
        AND positions.time BETWEEN %(since)s AND %(until)s
    LIMIT 1
) AS found
ON CONFLICT (device_id, time) DO UPDATE SET distance_m = excluded.distance_m
