-- How much an account's zones are, but for one: the bytes of their outlines and attributes, and for how many devices and groups
-- they are, one by one. Index of zones (account_id, id), indexes of zone_targets that begin with zone_id.
SELECT
    (
        SELECT coalesce(sum(octet_length(outline) + octet_length(attributes::text)), 0)
        FROM zones
        WHERE account_id = %(account)s AND id <> %(but)s
    )::bigint AS bytes,
    (SELECT count(*) FROM zones JOIN zone_targets ON zone_id = zones.id WHERE account_id = %(account)s AND zones.id <> %(but)s) AS targets
