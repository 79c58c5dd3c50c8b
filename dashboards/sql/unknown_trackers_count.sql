-- How many rows unknown_trackers.sql would give without a limit.
SELECT count(*) FROM unknown_trackers WHERE %(unique_id)s::text IS NULL OR unique_id = %(unique_id)s
