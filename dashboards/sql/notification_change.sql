-- The rule's number; no row when it isn't the viewer's. The webhook's secret stays unless one is given. Primary key of rules.
UPDATE rules
SET name = %(name)s, enabled = %(enabled)s, types = %(types)s, alarms = %(alarms)s, all_devices = %(all_devices)s,
    zone_groups = %(zone_groups)s, hours = %(hours)s, calendar_id = %(calendar_id)s, channels = %(channels)s, emails = %(emails)s,
    phones = %(phones)s, webhook_url = %(webhook_url)s,
    webhook_secret = CASE WHEN %(keep_secret)s THEN webhook_secret ELSE %(webhook_secret)s END,
    urgent = %(urgent)s, cooldown_s = %(cooldown_s)s, attributes = %(attributes)s, command_id = %(command_id)s
WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
RETURNING id
