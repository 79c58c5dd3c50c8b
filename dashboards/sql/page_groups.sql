-- The groups that the viewer may see, with their account's name.
-- Lives on groups (account_id, id).
SELECT groups.id, groups.name, groups.parent_id, groups.account_id, accounts.name AS account
FROM groups JOIN accounts ON accounts.id = groups.account_id
WHERE %(everything)s OR groups.account_id = %(account_id)s
