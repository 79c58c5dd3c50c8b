-- How many rows devices.sql would give without a limit.
SELECT count(*)
FROM devices
WHERE (%(everything)s OR account_id = %(account_id)s) AND (%(with_blocked)s OR blocked IS NULL)
  AND (%(ids)s::int[] IS NULL AND %(unique_ids)s::text[] IS NULL OR id = ANY(%(ids)s) OR unique_id = ANY(%(unique_ids)s))
