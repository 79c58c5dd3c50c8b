-- Devices that the viewer may see, by number; all, or those with one of these ids or unique ids. Blocked
-- ones are for lists where trackers are managed. Lives on devices (account_id, id), the primary key or the unique index of unique_id.
SELECT id, account_id, unique_id, name, phone, model, contact, category, disabled, group_id, attributes, blocked
FROM devices
WHERE (%(everything)s OR account_id = %(account_id)s) AND (%(with_blocked)s OR blocked IS NULL)
  AND (%(ids)s::int[] IS NULL AND %(unique_ids)s::text[] IS NULL OR id = ANY(%(ids)s) OR unique_id = ANY(%(unique_ids)s))
ORDER BY id
LIMIT %(limit)s OFFSET %(offset)s
