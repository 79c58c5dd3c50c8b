-- Notes stretches into which late fixes came, of devices whose account has zones. Lives on the primary keys of devices and revisits and
-- on zones_account.
INSERT INTO revisits (device_id, since, until, changed_at)
SELECT given.device_id, min(given.time), max(given.time), clock_timestamp()
FROM unnest(%(device_ids)s::int[], %(times)s::timestamptz[]) AS given (device_id, time)
JOIN devices ON devices.id = given.device_id
WHERE EXISTS (SELECT FROM zones WHERE zones.account_id = devices.account_id AND zones.enabled)
GROUP BY given.device_id
ORDER BY given.device_id
ON CONFLICT (device_id) DO UPDATE
SET since = least(revisits.since, excluded.since), until = greatest(revisits.until, excluded.until), changed_at = clock_timestamp()
