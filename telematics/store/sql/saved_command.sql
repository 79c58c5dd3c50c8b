-- A saved command, if it is of the device's account. Lives on the primary keys.
SELECT saved_commands.type, saved_commands.parameters, saved_commands.sms
FROM saved_commands
JOIN devices ON devices.account_id = saved_commands.account_id AND devices.id = %(device_id)s
WHERE saved_commands.id = %(id)s
