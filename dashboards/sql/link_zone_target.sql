-- Link a zone with a device or group: 1, or 0 when one of them isn't there, isn't the viewer's, or is another account's.
-- Primary keys, indexes of zone_targets that begin with zone_id.
WITH pair AS (
    SELECT zones.id AS zone_id
    FROM zones
    WHERE zones.id = %(geofence_id)s AND (%(everything)s OR account_id = %(account_id)s)
      AND (
          EXISTS (SELECT FROM devices WHERE devices.id = %(device_id)s AND devices.account_id = zones.account_id)
          OR EXISTS (SELECT FROM groups WHERE groups.id = %(group_id)s AND groups.account_id = zones.account_id)
      )
), added AS (
    INSERT INTO zone_targets (zone_id, device_id, group_id)
    SELECT zone_id, %(device_id)s, %(group_id)s FROM pair
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM pair
