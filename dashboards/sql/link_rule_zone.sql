-- Link a rule with a zone: 1, or 0 when one of them isn't there, isn't the viewer's, or is another account's. Primary keys.
WITH pair AS (
    SELECT rules.id AS rule_id, zones.id AS zone_id
    FROM rules JOIN zones ON zones.account_id = rules.account_id
    WHERE rules.id = %(notification_id)s AND zones.id = %(geofence_id)s
      AND (%(everything)s OR rules.account_id = %(account_id)s)
), added AS (
    INSERT INTO rule_zones (rule_id, zone_id) SELECT rule_id, zone_id FROM pair ON CONFLICT DO NOTHING
)
SELECT count(*) FROM pair
