-- Puts a command into a device's queue, unless too many wait there. Returns its id, or nothing. A command that lets the engine run
-- takes the place of those that would stop it, and the other way round: nothing may stop it after that. Lives on commands_waiting.
WITH here AS (
    SELECT id, type IS NOT DISTINCT FROM CASE %(type)s WHEN 'engineResume' THEN 'engineStop' WHEN 'engineStop' THEN 'engineResume' END AS opposite
    FROM commands
    WHERE device_id = %(device_id)s AND (state = 'queued' OR (state = 'sent' AND awaits))
), room AS (
    SELECT count(*) FILTER (WHERE NOT opposite) < %(most)s AS free FROM here
), superseded AS (
    UPDATE commands SET state = 'withdrawn', reason = 'superseded'
    FROM here, room
    WHERE commands.id = here.id AND opposite AND free AND (state = 'queued' OR (state = 'sent' AND awaits))
)
INSERT INTO commands (account_id, device_id, user_id, rule_id, saved_id, type, parameters, sms, when_slow, expires_at)
SELECT account_id, id, %(user_id)s, %(rule_id)s, %(saved_id)s, %(type)s, %(parameters)s, %(sms)s, %(when_slow)s, %(expires_at)s
FROM devices, room
WHERE id = %(device_id)s AND free
RETURNING id
