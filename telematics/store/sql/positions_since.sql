-- Positions stored after the given one, in the order of their ids. Lives on positions_id, a BRIN index: new ids lie together.
SELECT {columns} FROM positions WHERE id > %(watermark)s ORDER BY id
