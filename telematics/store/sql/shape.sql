-- What the table positions is: 'p' partitioned, 'r' a table or hypertable; no row: not made yet. Lives on pg_class's own index.
SELECT relkind::text FROM pg_class WHERE oid = to_regclass('positions')
