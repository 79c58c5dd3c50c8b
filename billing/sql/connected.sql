-- The connection of these trackers is paid for. Lives on the primary key.
UPDATE billed_trackers SET connection_due = false, covered_until = %(until)s WHERE id = ANY(%(ids)s)
