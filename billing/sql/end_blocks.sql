-- An end to these trackers' blocks of these kinds, or to all of the account's (no ids); the names of those that nothing blocks any more.
-- Lives on billed_trackers (account_id, …) and blocks_open.
WITH blocked AS (
    SELECT id, name FROM billed_trackers
    WHERE account_id = %(account_id)s AND removed_at IS NULL AND blocked IS NOT NULL AND (%(ids)s::int[] IS NULL OR id = ANY(%(ids)s))
), ended AS (
    UPDATE blocks SET until = %(now)s, ended_by = %(user_id)s FROM blocked
    WHERE blocks.tracker_id = blocked.id AND until IS NULL AND kind = ANY(%(kinds)s)
    RETURNING tracker_id
)
SELECT name FROM blocked
WHERE id IN (SELECT tracker_id FROM ended)
  AND NOT EXISTS (SELECT FROM blocks WHERE tracker_id = blocked.id AND until IS NULL AND kind <> ALL(%(kinds)s))
ORDER BY id
