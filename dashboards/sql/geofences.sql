-- Zones that the viewer may see, by number; all, some, those for a device (by its own number, its groups or as one of all) or those
-- for a group (by its own number or those it is within). Index of zones (account_id, id), primary key.
WITH RECURSIVE above (id) AS (
    SELECT group_id FROM devices WHERE id = %(device_id)s AND group_id IS NOT NULL
    UNION ALL
    SELECT %(group_id)s::int WHERE %(group_id)s::int IS NOT NULL
    UNION
    SELECT groups.parent_id FROM groups JOIN above ON groups.id = above.id WHERE groups.parent_id IS NOT NULL
)
SELECT zones.id, account_id, name, description, kind, geometry::text AS geometry, radius_m, width_m,
    CASE WHEN %(outline)s THEN outline END AS outline, color, zone_group, all_devices, enabled, hours, calendar_id, border_m,
    confirm_fixes, confirm_s, dwell_s, back_by, speed_limit_kmh, passes, attributes,
    ARRAY(SELECT device_id FROM zone_targets WHERE zone_id = zones.id AND device_id IS NOT NULL ORDER BY 1) AS device_ids,
    ARRAY(SELECT group_id FROM zone_targets WHERE zone_id = zones.id AND group_id IS NOT NULL ORDER BY 1) AS group_ids
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
ORDER BY zones.id
LIMIT %(limit)s OFFSET %(offset)s
