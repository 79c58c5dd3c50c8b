-- So many trackers, added to see what it costs, and taken back with the transaction.
INSERT INTO devices (account_id, unique_id, name)
SELECT %(account_id)s, 'rehearsed-' || gen_random_uuid(), 'rehearsed' FROM generate_series(1, %(count)s)
