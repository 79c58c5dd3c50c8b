-- The group and all it is within. Primary key of groups.
WITH RECURSIVE above (id) AS (
    SELECT %(id)s::int
    UNION
    SELECT groups.parent_id FROM groups JOIN above ON groups.id = above.id WHERE groups.parent_id IS NOT NULL
)
SELECT id FROM above
