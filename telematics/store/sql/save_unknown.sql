-- Adds unknown trackers or what was heard of them since. Lives on the primary key of unknown_trackers.
INSERT INTO unknown_trackers (protocol, unique_id, address, first_heard, last_heard, count)
SELECT *
FROM unnest(
    %(protocols)s::text[], %(unique_ids)s::text[], %(addresses)s::text[], %(first_heard)s::timestamptz[], %(last_heard)s::timestamptz[],
    %(counts)s::bigint[]
)
ON CONFLICT (protocol, unique_id) DO UPDATE
SET address = excluded.address, last_heard = excluded.last_heard, count = unknown_trackers.count + excluded.count
