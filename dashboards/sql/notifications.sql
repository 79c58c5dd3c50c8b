-- Rules that the viewer may see, by number; all, one, or those about a device (by its own number, its groups or as one of all).
-- Index of rules (account_id, id), primary key.
WITH RECURSIVE above (id) AS (
    SELECT group_id FROM devices WHERE id = %(device_id)s AND group_id IS NOT NULL
    UNION
    SELECT groups.parent_id FROM groups JOIN above ON groups.id = above.id WHERE groups.parent_id IS NOT NULL
)
SELECT rules.id, account_id, name, enabled, types, alarms, all_devices, zone_groups, hours, calendar_id, channels, emails, phones,
    webhook_url, webhook_secret IS NOT NULL AS has_webhook_secret, urgent, cooldown_s, attributes,
    ARRAY(SELECT device_id FROM rule_targets WHERE rule_id = rules.id AND device_id IS NOT NULL ORDER BY 1) AS device_ids,
    ARRAY(SELECT group_id FROM rule_targets WHERE rule_id = rules.id AND group_id IS NOT NULL ORDER BY 1) AS group_ids,
    ARRAY(SELECT zone_id FROM rule_zones WHERE rule_id = rules.id ORDER BY 1) AS zone_ids,
    ARRAY(SELECT user_id FROM rule_recipients WHERE rule_id = rules.id ORDER BY 1) AS user_ids, command_id
FROM rules
WHERE (%(everything)s OR account_id = %(account_id)s)
  AND (%(id)s::int IS NULL OR rules.id = %(id)s)
  AND (
      %(device_id)s::int IS NULL
      OR all_devices AND account_id = (SELECT account_id FROM devices WHERE id = %(device_id)s)
      OR rules.id IN (
          SELECT rule_id FROM rule_targets WHERE device_id = %(device_id)s OR group_id IN (SELECT id FROM above)
      )
  )
ORDER BY rules.id
LIMIT %(limit)s OFFSET %(offset)s
