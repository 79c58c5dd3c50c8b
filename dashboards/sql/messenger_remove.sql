-- Primary key.
DELETE FROM messengers WHERE id = %(id)s AND user_id = %(user_id)s
