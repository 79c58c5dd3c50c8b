-- A command has left. Returns its id if it still waited for that. Lives on the primary key of commands.
UPDATE commands SET state = 'sent', awaits = %(awaits)s, sent_at = %(at)s, tries = tries + 1, reason = NULL
WHERE id = %(id)s AND (state = 'queued' OR (state = 'sent' AND awaits))
RETURNING id
