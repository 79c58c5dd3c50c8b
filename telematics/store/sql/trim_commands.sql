-- Forgets commands that ended long ago, some at a time. Returns how many. Lives on the primary key of commands.
WITH gone AS (
    DELETE FROM commands WHERE id IN (
        SELECT id FROM commands WHERE created_at < %(before)s AND state NOT IN ('queued', 'sent') ORDER BY id LIMIT 1000
    ) RETURNING 1
)
SELECT count(*) FROM gone
