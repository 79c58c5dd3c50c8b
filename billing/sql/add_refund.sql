-- Money is asked back; the request's number.
INSERT INTO refunds (account_id, kind, amount, currency, comment, user_id, created_at)
VALUES (%(account_id)s, %(kind)s, %(amount)s, %(currency)s, %(comment)s, %(user_id)s, %(now)s)
RETURNING id
