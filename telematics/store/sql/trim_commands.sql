-- Forgets commands that ended before a time, the oldest first, some at a time. Lives on the primary key of commands.
DELETE FROM commands WHERE id IN (
    SELECT id FROM commands
    WHERE created_at < %(before)s AND NOT (state = 'queued' OR (state = 'sent' AND awaits))
    ORDER BY id
    LIMIT %(limit)s
)
