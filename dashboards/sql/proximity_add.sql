-- The new proximity; no row when the account has as many as it may. Index of proximities (account_id, id).
INSERT INTO proximities (
    account_id, name, enabled, device_id, group_id, to_device_id, to_group_id, to_latitude, to_longitude, enter_m, exit_m, minutes,
    min_s, partner_age_s, cooldown_s, hours, calendar_id, attributes
)
SELECT %(account)s, %(name)s, %(enabled)s, %(device_id)s, %(group_id)s, %(to_device_id)s, %(to_group_id)s, %(latitude)s::float8,
    %(longitude)s::float8, %(enter_m)s, %(exit_m)s, %(minutes)s::float8, %(min_s)s, %(partner_age_s)s, %(cooldown_s)s, %(hours)s,
    %(calendar_id)s, %(attributes)s
WHERE (SELECT count(*) FROM proximities WHERE account_id = %(account)s) < %(most)s
RETURNING id, account_id, name, enabled, device_id, group_id, to_device_id, to_group_id, to_latitude AS latitude, to_longitude AS longitude,
    enter_m, exit_m, minutes, min_s, partner_age_s, cooldown_s, hours, calendar_id, attributes
