-- Whose commands these are. Lives on the primary key of commands.
SELECT id, account_id, device_id FROM commands WHERE id = ANY (%(ids)s::bigint[])
