-- Trackers that the viewer may see and whose name, number, model or phone holds the searched text, by name, with the names of their
-- account and their group.
-- Lives on devices (account_id, id); the search reads the account's devices.
SELECT devices.id, devices.unique_id, devices.name, devices.model, devices.phone, devices.disabled, accounts.name AS account,
    groups.name AS group_name, devices.account_id, devices.blocked
FROM devices JOIN accounts ON accounts.id = devices.account_id LEFT JOIN groups ON groups.id = devices.group_id
WHERE (%(everything)s OR devices.account_id = %(account_id)s)
  AND (devices.name ILIKE %(like)s OR devices.unique_id ILIKE %(like)s OR devices.model ILIKE %(like)s OR devices.phone ILIKE %(like)s)
ORDER BY devices.name, devices.id
LIMIT %(limit)s OFFSET %(offset)s
