-- Removes all pairs of these proximities. Lives on the primary key of proximity_pairs.
DELETE FROM proximity_pairs
WHERE proximity_id = ANY (%(ids)s::int[])
