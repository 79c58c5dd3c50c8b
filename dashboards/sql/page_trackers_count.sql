-- How many trackers page_trackers.sql would list.
SELECT count(*)
FROM devices
WHERE (%(everything)s OR account_id = %(account_id)s)
  AND (name ILIKE %(like)s OR unique_id ILIKE %(like)s OR model ILIKE %(like)s OR phone ILIKE %(like)s)
