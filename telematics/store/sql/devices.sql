-- Devices, those given or all of them. Lives on the primary key of devices. A device is disabled with its account, too.
SELECT devices.id, account_id, unique_id, devices.name, devices.disabled OR accounts.disabled, devices.group_id, devices.category,
    devices.attributes, devices.blocked
FROM devices
JOIN accounts ON accounts.id = devices.account_id
WHERE %(ids)s::int[] IS NULL OR devices.id = ANY (%(ids)s::int[])
ORDER BY devices.id
