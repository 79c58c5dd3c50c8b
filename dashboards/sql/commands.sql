-- Commands to devices that the viewer may see, the newest first; all, those given, those before a number, of one device, or in some
-- states. Blocked devices are left out. commands (account_id, id), commands (device_id, id), or the primary key.
SELECT commands.id, commands.account_id, commands.device_id,
    CASE WHEN devices.account_id = commands.account_id THEN devices.name ELSE '#' || devices.id END AS device_name, commands.user_id,
    coalesce(users.name, '') AS user_name, commands.rule_id, coalesce(rules.name, '') AS rule_name, commands.saved_id,
    coalesce(saved_commands.description, '') AS description, commands.type, commands.parameters, commands.sms,
    commands.when_slow, commands.state, commands.awaits, commands.reason, commands.answer, commands.tries,
    commands.created_at, commands.expires_at, commands.sent_at, commands.answered_at
FROM commands
JOIN devices ON devices.id = commands.device_id AND devices.blocked IS NULL
LEFT JOIN users ON users.id = commands.user_id
LEFT JOIN rules ON rules.id = commands.rule_id
LEFT JOIN saved_commands ON saved_commands.id = commands.saved_id
WHERE (%(everything)s OR commands.account_id = %(account_id)s)
  AND (%(ids)s::bigint[] IS NULL OR commands.id = ANY (%(ids)s::bigint[]))
  AND (%(before)s::bigint IS NULL OR commands.id < %(before)s)
  AND (%(device_id)s::int IS NULL OR commands.device_id = %(device_id)s)
  AND (%(states)s::text[] IS NULL OR commands.state = ANY (%(states)s::text[]))
ORDER BY commands.id DESC
LIMIT %(limit)s OFFSET %(offset)s
