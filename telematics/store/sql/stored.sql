-- Which of the given (device, time) are stored already: their places in the given arrays, from 1, and the ids they were stored under.
-- Lives on the primary key of positions.
SELECT asked.place, positions.id
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[]) WITH ORDINALITY AS asked (device_id, time, place)
JOIN positions ON positions.device_id = asked.device_id AND positions.time = asked.time
WHERE positions.time BETWEEN %(since)s AND %(until)s
