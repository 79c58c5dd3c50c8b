-- How many lines of statements there are; `open`: nobody's yet. Lives on bank_lines_open.
SELECT count(*) FROM bank_lines WHERE NOT %(open)s OR payment_id IS NULL
