-- Parent and name of every partition of positions and events. Lives on pg_inherits_parent_index.
SELECT parent.relname, child.relname
FROM pg_inherits
JOIN pg_class AS parent ON parent.oid = inhparent
JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent IN (to_regclass('positions'), to_regclass('events'))
