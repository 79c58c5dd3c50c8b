SELECT count(*) FROM messengers WHERE user_id = %(user_id)s
