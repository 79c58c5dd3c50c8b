-- Primary key.
DELETE FROM zones WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
