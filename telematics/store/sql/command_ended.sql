-- A command is answered or has failed. Returns its device and type if that is news. Lives on the primary key of commands.
UPDATE commands SET state = %(state)s, reason = %(reason)s, answer = %(answer)s, answered_at = %(answered_at)s
WHERE id = %(id)s AND (state = 'queued' OR (state = 'sent' AND awaits))
RETURNING device_id, type
