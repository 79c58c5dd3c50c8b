-- Groups that the viewer may see, by number; all, or one. Index of groups (account_id, id), primary key.
SELECT id, account_id, name, parent_id, attributes
FROM groups
WHERE (%(everything)s OR account_id = %(account_id)s) AND (%(id)s::int IS NULL OR id = %(id)s)
ORDER BY id
LIMIT %(limit)s OFFSET %(offset)s
