-- Primary key.
UPDATE calendars
SET name = %(name)s, data = %(data)s, attributes = %(attributes)s
WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
