-- How many rules the viewer may see; all, or those about a device, as notifications.sql has them. Index of rules (account_id, id).
WITH RECURSIVE above (id) AS (
    SELECT group_id FROM devices WHERE id = %(device_id)s AND group_id IS NOT NULL
    UNION
    SELECT groups.parent_id FROM groups JOIN above ON groups.id = above.id WHERE groups.parent_id IS NOT NULL
)
SELECT count(*)
FROM rules
WHERE (%(everything)s OR account_id = %(account_id)s)
  AND (
      %(device_id)s::int IS NULL
      OR all_devices AND account_id = (SELECT account_id FROM devices WHERE id = %(device_id)s)
      OR rules.id IN (
          SELECT rule_id FROM rule_targets WHERE device_id = %(device_id)s OR group_id IN (SELECT id FROM above)
      )
  )
