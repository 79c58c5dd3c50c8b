-- One administrator, if there is any at all; asked once at a start.
SELECT id FROM users WHERE administrator LIMIT 1
