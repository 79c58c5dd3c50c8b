-- Why a command isn't sent yet. Lives on the primary key of commands.
UPDATE commands SET reason = %(reason)s
WHERE id = %(id)s AND state = 'queued' AND reason IS DISTINCT FROM %(reason)s
