-- For which devices and groups a zone is, anew. Indexes of zone_targets that begin with zone_id.
WITH gone AS (
    DELETE FROM zone_targets
    WHERE zone_id = %(id)s
      AND NOT coalesce(device_id = ANY(%(device_ids)s::int[]), false) AND NOT coalesce(group_id = ANY(%(group_ids)s::int[]), false)
), devices AS (
    INSERT INTO zone_targets (zone_id, device_id) SELECT %(id)s, unnest(%(device_ids)s::int[]) ON CONFLICT DO NOTHING
)
INSERT INTO zone_targets (zone_id, group_id) SELECT %(id)s, unnest(%(group_ids)s::int[]) ON CONFLICT DO NOTHING
