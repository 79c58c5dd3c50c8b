-- A delivery begins to be sent. Primary key of deliveries.
UPDATE deliveries
SET state = 'sending', attempts = attempts + 1, leased_until = now() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s
