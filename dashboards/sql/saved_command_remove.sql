-- Primary key.
DELETE FROM saved_commands WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
