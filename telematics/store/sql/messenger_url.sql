-- The URL of a messenger: at most one row. Primary key of messengers.
SELECT url FROM messengers WHERE id = %(id)s
