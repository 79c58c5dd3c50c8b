-- How many of them, counted up to a bound. commands (account_id, id), commands (device_id, id).
SELECT count(*) FROM (
    SELECT 1
    FROM commands
    JOIN devices ON devices.id = commands.device_id AND devices.blocked IS NULL
    WHERE (%(everything)s OR commands.account_id = %(account_id)s)
      AND (%(device_id)s::int IS NULL OR commands.device_id = %(device_id)s)
      AND (%(states)s::text[] IS NULL OR commands.state = ANY (%(states)s::text[]))
    LIMIT %(most)s
) AS counted
