-- An end to these trackers' blocks of these kinds, or to all of the account's (no ids); the names of those that nothing blocks any more.
-- Lives on billed_trackers (account_id, …), its primary key and blocks_open.
WITH ended AS (
    UPDATE blocks SET until = %(now)s, ended_by = %(user_id)s
    WHERE tracker_id = ANY(ARRAY( -- an array: never by reading the open blocks of all customers
        SELECT id FROM billed_trackers
        WHERE account_id = %(account_id)s AND removed_at IS NULL AND blocked IS NOT NULL
          AND (%(ids)s::int[] IS NULL OR id = ANY(%(ids)s))
    )) AND until IS NULL AND kind = ANY(%(kinds)s)
    RETURNING tracker_id
)
SELECT t.name
FROM (SELECT DISTINCT tracker_id FROM ended) freed JOIN billed_trackers t ON t.id = freed.tracker_id
WHERE NOT EXISTS (SELECT FROM blocks WHERE tracker_id = t.id AND until IS NULL AND kind <> ALL(%(kinds)s) OFFSET 0)
ORDER BY t.id
