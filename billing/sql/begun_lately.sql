-- How many payments the account has begun since a time and not paid. Lives on payments_account.
SELECT count(*) FROM payments WHERE account_id = %(account_id)s AND created_at > %(since)s AND entry_id IS NULL
