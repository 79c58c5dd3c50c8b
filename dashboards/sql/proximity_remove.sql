-- Primary key. Its pairs go with it.
DELETE FROM proximities WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
