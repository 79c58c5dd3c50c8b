-- The zone's number; no row when it isn't the viewer's. Its outline stays unless a new one is given. Primary key.
UPDATE zones
SET name = %(name)s, description = %(description)s, kind = %(kind)s, geometry = %(geometry)s, radius_m = %(radius_m)s,
    width_m = %(width_m)s, outline = coalesce(%(outline)s, outline), depth_m = coalesce(%(depth_m)s, depth_m), color = %(color)s,
    zone_group = %(zone_group)s, all_devices = %(all_devices)s, enabled = %(enabled)s, hours = %(hours)s,
    calendar_id = %(calendar_id)s, border_m = %(border_m)s, confirm_fixes = %(confirm_fixes)s, confirm_s = %(confirm_s)s,
    dwell_s = %(dwell_s)s, back_by = %(back_by)s, speed_limit_kmh = %(speed_limit_kmh)s, passes = %(passes)s,
    attributes = %(attributes)s, changed_at = now()
WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
RETURNING id
