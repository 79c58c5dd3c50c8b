-- What a rule names, anew. Primary keys and indexes that begin with rule_id.
WITH no_targets AS (
    DELETE FROM rule_targets
    WHERE rule_id = %(id)s
      AND NOT coalesce(device_id = ANY(%(device_ids)s::int[]), false) AND NOT coalesce(group_id = ANY(%(group_ids)s::int[]), false)
), no_zones AS (
    DELETE FROM rule_zones WHERE rule_id = %(id)s AND zone_id <> ALL(%(zone_ids)s::int[])
), no_recipients AS (
    DELETE FROM rule_recipients WHERE rule_id = %(id)s AND user_id <> ALL(%(user_ids)s::int[])
), devices AS (
    INSERT INTO rule_targets (rule_id, device_id) SELECT %(id)s, unnest(%(device_ids)s::int[]) ON CONFLICT DO NOTHING
), groups AS (
    INSERT INTO rule_targets (rule_id, group_id) SELECT %(id)s, unnest(%(group_ids)s::int[]) ON CONFLICT DO NOTHING
), zones AS (
    INSERT INTO rule_zones (rule_id, zone_id) SELECT %(id)s, unnest(%(zone_ids)s::int[]) ON CONFLICT DO NOTHING
)
INSERT INTO rule_recipients (rule_id, user_id) SELECT %(id)s, unnest(%(user_ids)s::int[]) ON CONFLICT DO NOTHING
