-- Zones, those given or all of them, with whom they are for, their calendar's text and their account's time zone.
-- Lives on the primary keys of zones, accounts and calendars, and on zone_targets_device and zone_targets_group.
SELECT zones.id, zones.account_id, zones.name, zones.zone_group, zones.enabled, zones.outline, zones.depth_m, zones.all_devices,
    (SELECT array_agg(device_id) FROM zone_targets WHERE zone_id = zones.id AND device_id IS NOT NULL) AS device_ids,
    (SELECT array_agg(group_id) FROM zone_targets WHERE zone_id = zones.id AND group_id IS NOT NULL) AS group_ids,
    zones.hours, calendars.data AS calendar, accounts.time_zone, zones.border_m, zones.confirm_fixes, zones.confirm_s, zones.dwell_s,
    zones.back_by, zones.speed_limit_kmh, zones.passes, zones.calendar_id, zones.changed_at
FROM zones
JOIN accounts ON accounts.id = zones.account_id
LEFT JOIN calendars ON calendars.id = zones.calendar_id
WHERE %(ids)s::int[] IS NULL OR zones.id = ANY (%(ids)s::int[])
ORDER BY zones.id
