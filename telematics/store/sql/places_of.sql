-- Where devices were at times, by the place of each in the arrays: the position that is named, else the last one before.
-- Primary key of positions (device_id, time), a row or two for each.
SELECT wanted.place::int, coalesce(named.latitude, before.latitude), coalesce(named.longitude, before.longitude),
    coalesce(named.speed_kmh, before.speed_kmh)::float8
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[], %(ends)s::timestamptz[], %(position_ids)s::bigint[])
     WITH ORDINALITY AS wanted (device_id, time, until, position_id, place)
LEFT JOIN LATERAL (
    SELECT latitude, longitude, speed_kmh
    FROM positions
    WHERE positions.device_id = wanted.device_id AND positions.time BETWEEN wanted.time AND wanted.until + interval '1 hour'
      AND positions.id = wanted.position_id AND latitude IS NOT NULL
    LIMIT 1
) AS named ON true
LEFT JOIN LATERAL (
    SELECT latitude, longitude, speed_kmh
    FROM positions
    WHERE positions.device_id = wanted.device_id AND positions.time BETWEEN wanted.time - interval '30 days' AND wanted.time
      AND latitude IS NOT NULL AND NOT outlier
    ORDER BY positions.time DESC
    LIMIT 1
) AS before ON named.latitude IS NULL
