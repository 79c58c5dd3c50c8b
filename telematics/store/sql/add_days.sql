-- Adds distance and fixes to the totals of UTC days; devices that were removed meanwhile are left out. Lives on the primary key of
-- device_days. In order of the key, so that two who do this at once wait for each other instead of blocking each other.
INSERT INTO device_days (device_id, day, distance_m, fixes)
SELECT device_id, day, sum(given.distance_m), sum(given.fixes)
FROM unnest(%(device_ids)s::int[], %(days)s::date[], %(distances)s::float8[], %(fixes)s::int[]) AS given (device_id, day, distance_m, fixes)
JOIN devices ON devices.id = given.device_id
GROUP BY device_id, day
ORDER BY device_id, day
ON CONFLICT (device_id, day) DO UPDATE
SET distance_m = device_days.distance_m + excluded.distance_m, fixes = device_days.fixes + excluded.fixes
