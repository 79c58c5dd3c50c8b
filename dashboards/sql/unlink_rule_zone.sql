-- Undo the link of a rule with a zone; as link_rule_zone.sql otherwise.
WITH pair AS (
    SELECT rules.id AS rule_id, zones.id AS zone_id
    FROM rules JOIN zones ON zones.account_id = rules.account_id
    WHERE rules.id = %(notification_id)s AND zones.id = %(geofence_id)s
      AND (%(everything)s OR rules.account_id = %(account_id)s)
), gone AS (
    DELETE FROM rule_zones USING pair WHERE rule_zones.rule_id = pair.rule_id AND rule_zones.zone_id = pair.zone_id
)
SELECT count(*) FROM pair
