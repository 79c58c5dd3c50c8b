-- Enabled proximities, those given or all of them, with their calendar's text and their account's time zone.
-- Lives on the primary keys of proximities, accounts and calendars.
SELECT proximities.id, proximities.account_id, proximities.name, device_id, group_id, to_device_id, to_group_id, to_latitude,
    to_longitude, enter_m, exit_m, minutes, min_s, partner_age_s, cooldown_s, hours, calendars.data, accounts.time_zone
FROM proximities
JOIN accounts ON accounts.id = proximities.account_id
LEFT JOIN calendars ON calendars.id = proximities.calendar_id
WHERE enabled AND (%(ids)s::int[] IS NULL OR proximities.id = ANY (%(ids)s::int[]))
ORDER BY proximities.id
