-- The changed proximity; no row when it isn't the viewer's. Primary key.
UPDATE proximities
SET name = %(name)s, enabled = %(enabled)s, device_id = %(device_id)s, group_id = %(group_id)s, to_device_id = %(to_device_id)s,
    to_group_id = %(to_group_id)s, to_latitude = %(latitude)s, to_longitude = %(longitude)s, enter_m = %(enter_m)s,
    exit_m = %(exit_m)s, minutes = %(minutes)s, min_s = %(min_s)s, partner_age_s = %(partner_age_s)s, cooldown_s = %(cooldown_s)s,
    hours = %(hours)s, calendar_id = %(calendar_id)s, attributes = %(attributes)s
WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
RETURNING id, account_id, name, enabled, device_id, group_id, to_device_id, to_group_id, to_latitude AS latitude, to_longitude AS longitude,
    enter_m, exit_m, minutes, min_s, partner_age_s, cooldown_s, hours, calendar_id, attributes
