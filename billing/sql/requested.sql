-- How much of an account's money is asked back and nobody has decided on yet. Lives on refunds_account.
SELECT coalesce(sum(amount), 0)::bigint FROM refunds WHERE account_id = %(account_id)s AND state = 'requested'
