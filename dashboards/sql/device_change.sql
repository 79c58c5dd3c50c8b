-- The changed device; no row when it isn't the viewer's, or its group isn't its account's. In another account than before it loses
-- its links to zones, rules and proximities of the old one, and its events the names of that one's zones and vehicles. Primary keys,
-- also of events; zone_targets and rule_targets by device.
WITH changed AS (
    UPDATE devices
    SET account_id = %(new_account_id)s, unique_id = %(unique_id)s, name = %(name)s, phone = %(phone)s, model = %(model)s,
        contact = %(contact)s, category = %(category)s, disabled = %(disabled)s, group_id = %(group_id)s, attributes = %(attributes)s
    WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
      AND (
          %(group_id)s::int IS NULL
          OR EXISTS (SELECT FROM groups WHERE groups.id = %(group_id)s AND groups.account_id = %(new_account_id)s)
      )
    RETURNING id, account_id, unique_id, name, phone, model, contact, category, disabled, group_id, attributes, blocked
), no_zones AS (
    DELETE FROM zone_targets USING changed, zones
    WHERE zone_targets.device_id = changed.id AND zones.id = zone_id AND zones.account_id <> changed.account_id
), no_rules AS (
    DELETE FROM rule_targets USING changed, rules
    WHERE rule_targets.device_id = changed.id AND rules.id = rule_id AND rules.account_id <> changed.account_id
), no_proximities AS (
    DELETE FROM proximities USING changed
    WHERE changed.id IN (proximities.device_id, proximities.to_device_id) AND proximities.account_id <> changed.account_id
), no_names AS (
    UPDATE events
    SET attributes = events.attributes - ARRAY['geofence', 'proximity', 'partner', 'partner_name']
    FROM changed
    JOIN devices AS before ON before.id = changed.id AND before.account_id <> changed.account_id
    WHERE events.device_id = changed.id AND events.attributes ?| ARRAY['geofence', 'proximity', 'partner_name']
)
SELECT id, account_id, unique_id, name, phone, model, contact, category, disabled, group_id, attributes, blocked FROM changed
