-- Stores alerts that are not there yet; returns number and key of the new ones. Unique index of alerts (device_id, time, …).
INSERT INTO alerts (
    account_id, device_id, event_id, time, noticed_at, type, subject, position_id, latitude, longitude, speed_kmh, attributes, rule_ids,
    urgent
)
SELECT devices.account_id, device_id, event_id, time, given.noticed_at, type, subject, position_id, latitude, longitude, speed_kmh,
    given.attributes, rule_ids::int[], urgent
FROM unnest(
    %(device_ids)s::int[], %(event_ids)s::bigint[], %(times)s::timestamptz[], %(noticed_ats)s::timestamptz[],
    %(types)s::text[], %(subjects)s::text[],
    %(position_ids)s::bigint[], %(latitudes)s::float8[], %(longitudes)s::float8[], %(speeds_kmh)s::float8[],
    %(attributes)s::jsonb[], %(rule_ids)s::text[], %(urgents)s::boolean[]
) AS given (
    device_id, event_id, time, noticed_at, type, subject, position_id, latitude, longitude, speed_kmh, attributes, rule_ids, urgent
)
JOIN devices ON devices.id = device_id
ON CONFLICT DO NOTHING
RETURNING id, account_id, device_id, time, type, subject
