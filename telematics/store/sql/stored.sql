-- Which of the given (device, time) are stored already: their places in the given arrays, from 1, and the ids they were stored under.
-- Lives on the primary key of positions; LATERAL with LIMIT keeps the planner to one lookup each, also where a new day has no statistics.
SELECT asked.place, found.id
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[]) WITH ORDINALITY AS asked (device_id, time, place)
CROSS JOIN LATERAL (
    SELECT id
    FROM positions
    WHERE positions.device_id = asked.device_id AND positions.time = asked.time
        AND positions.time BETWEEN %(since)s AND %(until)s
    LIMIT 1
) AS found
