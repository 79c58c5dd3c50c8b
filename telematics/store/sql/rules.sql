-- Rules with whom and what they name: all, those with one of the ids, or those that name one of the users, calendars or accounts.
-- Whether a person is disabled is told by their account's state, too. Primary keys; reads all rules, which are few.
SELECT
    rules.id, rules.account_id, rules.name, rules.enabled AND NOT accounts.disabled AS active, rules.types, rules.alarms,
    rules.all_devices, rules.zone_groups, rules.hours, calendars.data AS calendar, rules.channels, rules.emails, rules.phones,
    rules.webhook_url, rules.urgent, rules.cooldown_s, rules.command_id, rules.attributes, accounts.language, accounts.time_zone,
    ARRAY(SELECT device_id FROM rule_targets WHERE rule_id = rules.id AND device_id IS NOT NULL) AS device_ids,
    ARRAY(SELECT group_id FROM rule_targets WHERE rule_id = rules.id AND group_id IS NOT NULL) AS group_ids,
    ARRAY(SELECT zone_id FROM rule_zones WHERE rule_id = rules.id) AS zone_ids,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'id', users.id, 'account_id', users.account_id, 'email', users.email, 'name', users.name,
            'language', coalesce(users.language, homes.language), 'time_zone', coalesce(users.time_zone, homes.time_zone),
            'phone', users.phone, 'quiet_hours', users.quiet_hours, 'administrator', users.administrator,
            'disabled', users.disabled OR homes.disabled
        ) ORDER BY users.id)
        FROM rule_recipients
        JOIN users ON users.id = rule_recipients.user_id
        JOIN accounts AS homes ON homes.id = users.account_id
        WHERE rule_recipients.rule_id = rules.id
    ), '[]') AS people
FROM rules
JOIN accounts ON accounts.id = rules.account_id
LEFT JOIN calendars ON calendars.id = rules.calendar_id
WHERE %(everything)s
   OR rules.id = ANY(%(ids)s::int[])
   OR rules.account_id = ANY(%(account_ids)s::int[])
   OR rules.calendar_id = ANY(%(calendar_ids)s::int[])
   OR rules.id IN (
       SELECT rule_id FROM rule_recipients JOIN users ON users.id = user_id
       WHERE user_id = ANY(%(user_ids)s::int[]) OR users.account_id = ANY(%(account_ids)s::int[])
   )
ORDER BY rules.id
