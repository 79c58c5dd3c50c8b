-- How many rows geofences.sql would give without a limit. Index of zones (account_id, id).
WITH RECURSIVE above (id) AS (
    SELECT group_id FROM devices WHERE id = %(device_id)s AND group_id IS NOT NULL
    UNION ALL
    SELECT %(group_id)s::int WHERE %(group_id)s::int IS NOT NULL
    UNION
    SELECT groups.parent_id FROM groups JOIN above ON groups.id = above.id WHERE groups.parent_id IS NOT NULL
)
SELECT count(*)
FROM zones
WHERE (%(everything)s OR account_id = %(account_id)s)
  AND (%(ids)s::int[] IS NULL OR zones.id = ANY(%(ids)s))
  AND (
      %(device_id)s::int IS NULL AND %(group_id)s::int IS NULL
      OR all_devices AND (
          account_id = (SELECT account_id FROM devices WHERE id = %(device_id)s)
          OR account_id = (SELECT account_id FROM groups WHERE id = %(group_id)s)
      )
      OR zones.id IN (SELECT zone_id FROM zone_targets WHERE device_id = %(device_id)s OR group_id IN (SELECT id FROM above))
  )
