-- An end to these trackers' blocks of these kinds; without trackers, to all of the account. Lives on blocks_open, blocks (account_id, id).
UPDATE blocks SET until = %(now)s, ended_by = %(user_id)s
WHERE until IS NULL AND kind = ANY(%(kinds)s)
  AND tracker_id = ANY(coalesce(%(ids)s::int[], ARRAY(
    SELECT id FROM billed_trackers WHERE account_id = %(account_id)s AND removed_at IS NULL AND blocked IS NOT NULL)))
