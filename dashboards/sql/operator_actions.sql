-- The actions that the audit log knows, by name: a step from one to the next. Lives on audit (action, id).
WITH RECURSIVE known AS (
    (SELECT action FROM audit ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (SELECT a.action FROM audit a WHERE a.action > known.action ORDER BY a.action LIMIT 1) FROM known WHERE known.action IS NOT NULL
)
SELECT action AS name FROM known WHERE action IS NOT NULL LIMIT 200
