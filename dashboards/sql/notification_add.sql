-- The new rule's number; no row when the account has as many as it may. Index of rules (account_id, id).
INSERT INTO rules (
    account_id, name, enabled, types, alarms, all_devices, zone_groups, hours, calendar_id, channels, emails, phones, webhook_url,
    webhook_secret, urgent, cooldown_s, attributes, command_id
)
SELECT %(account)s, %(name)s, %(enabled)s, %(types)s, %(alarms)s, %(all_devices)s, %(zone_groups)s, %(hours)s, %(calendar_id)s,
    %(channels)s, %(emails)s, %(phones)s, %(webhook_url)s, %(webhook_secret)s, %(urgent)s, %(cooldown_s)s, %(attributes)s,
    %(command_id)s
WHERE (SELECT count(*) FROM rules WHERE account_id = %(account)s) < %(most)s
RETURNING id
