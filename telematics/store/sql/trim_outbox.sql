-- Removes what nobody took out of the outbox in time. Reads the outbox, which is short.
DELETE FROM outbox WHERE created_at < %(before)s
