-- Undo the link of a rule with a device or group; as link_rule_target.sql otherwise.
WITH pair AS (
    SELECT rules.id AS rule_id
    FROM rules
    WHERE rules.id = %(notification_id)s AND (%(everything)s OR account_id = %(account_id)s)
      AND (
          EXISTS (SELECT FROM devices WHERE devices.id = %(device_id)s AND devices.account_id = rules.account_id)
          OR EXISTS (SELECT FROM groups WHERE groups.id = %(group_id)s AND groups.account_id = rules.account_id)
      )
), gone AS (
    DELETE FROM rule_targets USING pair
    WHERE rule_targets.rule_id = pair.rule_id AND (device_id = %(device_id)s OR group_id = %(group_id)s)
)
SELECT count(*) FROM pair
