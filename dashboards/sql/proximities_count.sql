-- How many rows proximities.sql would give without a limit. Index of proximities (account_id, id).
SELECT count(*)
FROM proximities
WHERE (%(everything)s OR account_id = %(account_id)s)
  AND (%(id)s::int IS NULL OR id = %(id)s)
  AND (%(device_id)s::int IS NULL OR %(device_id)s IN (device_id, to_device_id))
