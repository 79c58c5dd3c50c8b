-- Ends the database's process of a connection that we lost, if it still is the one that holds the writer's lock. Lives on pg_locks.
SELECT pg_terminate_backend(pid)
FROM pg_locks
WHERE locktype = 'advisory' AND granted AND pid = %(pid)s AND classid = 0 AND objid = %(lock)s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
