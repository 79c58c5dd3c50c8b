-- Keeps a command for later, unless the account has too many. saved_commands (account_id, id).
INSERT INTO saved_commands (account_id, description, type, parameters, sms)
SELECT %(account)s, %(description)s, %(type)s, %(parameters)s, %(sms)s
WHERE (SELECT count(*) FROM saved_commands WHERE account_id = %(account)s) < %(most)s
RETURNING id, account_id, description, type, parameters, sms
