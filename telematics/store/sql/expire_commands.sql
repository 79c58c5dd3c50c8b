-- Commands whose time is over. Returns their ids. Lives on commands_expiring.
UPDATE commands SET state = 'expired'
WHERE expires_at <= %(now)s AND (state = 'queued' OR (state = 'sent' AND awaits))
RETURNING id
