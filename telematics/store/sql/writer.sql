-- Who holds the writer's lock: pid, address or "this machine", since when. Lives on pg_locks.
SELECT pg_locks.pid, coalesce(host(client_addr), 'this machine'), backend_start
FROM pg_locks
JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %(lock)s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
