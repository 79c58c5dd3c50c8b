-- Proximities that the viewer may see, by number; all, one, or those that name a device. Index of proximities (account_id, id),
-- primary key.
SELECT id, account_id, name, enabled, device_id, group_id, to_device_id, to_group_id, to_latitude AS latitude, to_longitude AS longitude,
    enter_m, exit_m, minutes, min_s, partner_age_s, cooldown_s, hours, calendar_id, attributes
FROM proximities
WHERE (%(everything)s OR account_id = %(account_id)s)
  AND (%(id)s::int IS NULL OR id = %(id)s)
  AND (%(device_id)s::int IS NULL OR %(device_id)s IN (device_id, to_device_id))
ORDER BY id
LIMIT %(limit)s OFFSET %(offset)s
