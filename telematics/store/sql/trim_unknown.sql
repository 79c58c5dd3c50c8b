-- Removes all but those unknown trackers that were heard last. Lives on unknown_trackers_last_heard.
DELETE FROM unknown_trackers
WHERE (protocol, unique_id) IN (
    SELECT protocol, unique_id FROM unknown_trackers ORDER BY last_heard DESC, protocol, unique_id OFFSET %(keep)s
)
