-- How many groups the viewer may see. Index of groups (account_id, id).
SELECT count(*) FROM groups WHERE %(everything)s OR account_id = %(account_id)s
