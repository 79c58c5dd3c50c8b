-- How many rows wait in the outbox (counted up to 100,000), and for how many seconds the oldest has. Primary key of outbox.
SELECT
    (SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) AS seen),
    coalesce((SELECT extract(epoch FROM now() - created_at) FROM outbox ORDER BY id LIMIT 1), 0)::float8
