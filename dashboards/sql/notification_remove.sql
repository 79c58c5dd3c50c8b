-- Primary key of rules.
DELETE FROM rules WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
