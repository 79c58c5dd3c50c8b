-- Undo the link of a zone with a device or group; as link_zone_target.sql otherwise.
WITH pair AS (
    SELECT zones.id AS zone_id
    FROM zones
    WHERE zones.id = %(geofence_id)s AND (%(everything)s OR account_id = %(account_id)s)
      AND (
          EXISTS (SELECT FROM devices WHERE devices.id = %(device_id)s AND devices.account_id = zones.account_id)
          OR EXISTS (SELECT FROM groups WHERE groups.id = %(group_id)s AND groups.account_id = zones.account_id)
      )
), gone AS (
    DELETE FROM zone_targets USING pair
    WHERE zone_targets.zone_id = pair.zone_id AND (device_id = %(device_id)s OR group_id = %(group_id)s)
)
SELECT count(*) FROM pair
