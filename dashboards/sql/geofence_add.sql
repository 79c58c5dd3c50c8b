-- The new zone's number; no row when the account has as many as it may (most; NULL: that was asked before). Index of zones (account_id, id).
INSERT INTO zones (
    account_id, name, description, kind, geometry, radius_m, width_m, outline, depth_m, color, zone_group, all_devices, enabled,
    hours, calendar_id, border_m, confirm_fixes, confirm_s, dwell_s, back_by, speed_limit_kmh, passes, attributes
)
SELECT %(account)s, %(name)s, %(description)s, %(kind)s, %(geometry)s, %(radius_m)s, %(width_m)s, %(outline)s, %(depth_m)s, %(color)s,
    %(zone_group)s, %(all_devices)s, %(enabled)s, %(hours)s, %(calendar_id)s, %(border_m)s, %(confirm_fixes)s, %(confirm_s)s,
    %(dwell_s)s, %(back_by)s, %(speed_limit_kmh)s, %(passes)s, %(attributes)s
WHERE %(most)s::int IS NULL OR (SELECT count(*) FROM zones WHERE account_id = %(account)s) < %(most)s
RETURNING id
