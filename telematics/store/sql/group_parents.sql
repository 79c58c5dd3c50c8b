-- Every group with the one it is in. Reads all of groups, which are few.
SELECT id, parent_id FROM groups
