-- Adds or changes these pairs; those of proximities that are gone are left out.
-- Lives on the primary keys of proximity_pairs and proximities.
INSERT INTO proximity_pairs (proximity_id, device_id, partner_id, near, since)
SELECT given.*
FROM unnest(
    %(proximity_ids)s::int[], %(device_ids)s::int[], %(partner_ids)s::int[], %(near)s::boolean[], %(since)s::timestamptz[]
) AS given (proximity_id, device_id, partner_id, near, since)
WHERE EXISTS (SELECT FROM proximities WHERE proximities.id = given.proximity_id FOR KEY SHARE)
ON CONFLICT (proximity_id, device_id, partner_id) DO UPDATE SET near = excluded.near, since = excluded.since
