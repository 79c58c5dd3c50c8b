-- Primary key.
UPDATE saved_commands SET description = %(description)s, type = %(type)s, parameters = %(parameters)s, sms = %(sms)s
WHERE id = %(id)s AND (%(everything)s OR account_id = %(account_id)s)
RETURNING id, account_id, description, type, parameters, sms
