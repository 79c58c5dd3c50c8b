-- Takes a command back that has not been sent. Returns its id if that was still possible. Lives on the primary key of commands.
UPDATE commands SET state = 'withdrawn', reason = NULL WHERE id = %(id)s AND state = 'queued'
RETURNING id
