-- Whether an account has what a proximity names, a word for each kind: it names only its own account's. Primary keys.
SELECT
    NOT EXISTS (
        SELECT FROM unnest(ARRAY[%(device_id)s::int, %(to_device_id)s::int]) AS named (id)
        WHERE named.id IS NOT NULL AND NOT EXISTS (SELECT FROM devices WHERE devices.id = named.id AND account_id = %(account)s)
    ) AS device,
    NOT EXISTS (
        SELECT FROM unnest(ARRAY[%(group_id)s::int, %(to_group_id)s::int]) AS named (id)
        WHERE named.id IS NOT NULL AND NOT EXISTS (SELECT FROM groups WHERE groups.id = named.id AND account_id = %(account)s)
    ) AS group,
    %(calendar_id)s::int IS NULL OR EXISTS (SELECT FROM calendars WHERE id = %(calendar_id)s AND account_id = %(account)s)
        AS calendar
