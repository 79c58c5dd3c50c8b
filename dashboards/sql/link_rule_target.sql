-- Link a rule with a device or group: 1, or 0 when one of them isn't there, isn't the viewer's, or is another account's. A rule
-- for all devices is for all still. Primary keys, indexes of rule_targets that begin with rule_id.
WITH pair AS (
    SELECT rules.id AS rule_id
    FROM rules
    WHERE rules.id = %(notification_id)s AND (%(everything)s OR account_id = %(account_id)s)
      AND (
          EXISTS (SELECT FROM devices WHERE devices.id = %(device_id)s AND devices.account_id = rules.account_id)
          OR EXISTS (SELECT FROM groups WHERE groups.id = %(group_id)s AND groups.account_id = rules.account_id)
      )
), added AS (
    INSERT INTO rule_targets (rule_id, device_id, group_id)
    SELECT rule_id, %(device_id)s, %(group_id)s FROM pair
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM pair
