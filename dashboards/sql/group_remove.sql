-- Its devices and groups are in none afterwards. Primary key.
DELETE FROM groups WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
