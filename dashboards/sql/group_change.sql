-- The changed group; no row when it isn't the viewer's, or the one it is to be in isn't its account's. Primary key.
UPDATE groups
SET name = %(name)s, parent_id = %(parent_id)s, attributes = %(attributes)s
WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
  AND (
      %(parent_id)s::int IS NULL
      OR EXISTS (SELECT FROM groups AS parents WHERE parents.id = %(parent_id)s AND parents.account_id = groups.account_id)
  )
RETURNING id, account_id, name, parent_id, attributes
