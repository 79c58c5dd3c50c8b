-- Unknown trackers, those heard last first. Lives on unknown_trackers_last_heard.
SELECT protocol, unique_id, address, first_heard, last_heard, count
FROM unknown_trackers
ORDER BY last_heard DESC
LIMIT %(limit)s
