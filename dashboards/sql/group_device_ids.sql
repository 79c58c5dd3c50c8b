-- Devices of a group and of the groups within it, if the viewer may see it; blocked and disabled ones are left out.
-- groups (parent_id), devices (group_id).
WITH RECURSIVE within AS (
    SELECT id FROM groups WHERE id = %(group_id)s AND (%(everything)s OR account_id = %(account_id)s)
    UNION
    SELECT groups.id FROM groups JOIN within ON groups.parent_id = within.id
)
SELECT devices.id FROM devices JOIN within ON devices.group_id = within.id
WHERE NOT devices.disabled AND devices.blocked IS NULL
ORDER BY devices.id
LIMIT %(limit)s
