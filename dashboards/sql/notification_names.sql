-- What of the given an account hasn't got, a word for each kind: a rule names only its own account's. Users of the provider may be
-- named by an administrator; who is named already stays so. Primary keys.
SELECT
    (SELECT count(*) FROM devices WHERE id = ANY(%(device_ids)s::int[]) AND account_id = %(account)s) = cardinality(%(device_ids)s::int[])
        AS devices,
    (SELECT count(*) FROM groups WHERE id = ANY(%(group_ids)s::int[]) AND account_id = %(account)s) = cardinality(%(group_ids)s::int[])
        AS groups,
    (SELECT count(*) FROM zones WHERE id = ANY(%(zone_ids)s::int[]) AND account_id = %(account)s) = cardinality(%(zone_ids)s::int[])
        AS geofences,
    (
        SELECT count(*) FROM users
        WHERE id = ANY(%(user_ids)s::int[])
          AND (account_id = %(account)s OR administrator AND %(everything)s OR id = ANY(%(named_before)s::int[]))
    ) = cardinality(%(user_ids)s::int[]) AS users,
    %(calendar_id)s::int IS NULL OR EXISTS (SELECT FROM calendars WHERE id = %(calendar_id)s AND account_id = %(account)s)
        AS calendar,
    %(command_id)s::int IS NULL OR EXISTS (SELECT FROM saved_commands WHERE id = %(command_id)s AND account_id = %(account)s)
        AS command
