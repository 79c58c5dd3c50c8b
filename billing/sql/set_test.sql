-- A tracker becomes a test tracker, or an ordinary one that is connected now. Lives on the primary key.
UPDATE billed_trackers
SET test = %(test)s, connection_due = NOT %(test)s, covered_until = NULL, connected_at = CASE WHEN %(test)s THEN connected_at ELSE %(now)s END
WHERE id = %(id)s
