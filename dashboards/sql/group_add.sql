-- The new group; no row when the one it is to be in is gone, or the account has as many as it may.
-- Primary key, index of groups (account_id, id).
INSERT INTO groups (account_id, name, parent_id, attributes)
SELECT %(account)s, %(name)s, %(parent_id)s, %(attributes)s
WHERE (%(parent_id)s::int IS NULL OR EXISTS (SELECT FROM groups WHERE id = %(parent_id)s AND account_id = %(account)s))
  AND (SELECT count(*) FROM groups WHERE account_id = %(account)s) < %(most)s
RETURNING id, account_id, name, parent_id, attributes
