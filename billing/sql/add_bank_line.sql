-- A line of a statement, once; its number, or nothing where it was taken before. Lives on bank_lines' unique index.
INSERT INTO bank_lines (fingerprint, day, amount, currency, payer, details, account_id, user_id, created_at)
VALUES (
    %(fingerprint)s, %(day)s, %(amount)s, %(currency)s, %(payer)s, %(details)s, %(account_id)s, %(user_id)s, %(now)s
)
ON CONFLICT (fingerprint) DO NOTHING
RETURNING id
