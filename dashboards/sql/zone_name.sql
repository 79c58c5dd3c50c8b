-- What a zone is called that the viewer may see. Primary key of zones.
SELECT name FROM zones WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
