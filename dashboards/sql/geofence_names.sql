-- Whether an account has what a zone names, a word for each kind: a zone names only its own account's. Primary keys.
SELECT
    (SELECT count(*) FROM devices WHERE id = ANY(%(device_ids)s::int[]) AND account_id = %(account)s) = cardinality(%(device_ids)s::int[])
        AS devices,
    (SELECT count(*) FROM groups WHERE id = ANY(%(group_ids)s::int[]) AND account_id = %(account)s) = cardinality(%(group_ids)s::int[])
        AS groups,
    %(calendar_id)s::int IS NULL OR EXISTS (SELECT FROM calendars WHERE id = %(calendar_id)s AND account_id = %(account)s)
        AS calendar
