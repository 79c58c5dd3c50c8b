-- A line of the audit log.
INSERT INTO audit (action, user_id, user_name, account_id, subject, details, address)
VALUES (%(action)s, %(user_id)s, %(user_name)s, %(account_id)s, %(subject)s, %(details)s, %(address)s)
