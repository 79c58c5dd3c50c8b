-- Commands that are to be sent or answered, all of them or those given, the oldest first. Lives on commands_waiting, or the primary
-- key.
SELECT commands.id, commands.account_id, commands.device_id, type, parameters, sms, when_slow, state, tries, commands.sent_at,
    expires_at, coalesce(devices.phone, '') AS phone, commands.reason
FROM commands
JOIN devices ON devices.id = commands.device_id
WHERE (state = 'queued' OR (state = 'sent' AND awaits)) AND (%(ids)s::bigint[] IS NULL OR commands.id = ANY (%(ids)s::bigint[]))
ORDER BY commands.id
