-- Trackers that report and are nobody's, the last heard first; all, or one by what it calls itself.
-- Lives on unknown_trackers (last_heard), which is bounded by limits.unknown_trackers.
SELECT protocol, unique_id, address, first_heard, last_heard, count
FROM unknown_trackers
WHERE %(unique_id)s::text IS NULL OR unique_id = %(unique_id)s
ORDER BY last_heard DESC, unique_id
LIMIT %(limit)s OFFSET %(offset)s
