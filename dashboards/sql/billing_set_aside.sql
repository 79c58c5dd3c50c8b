-- What is set aside of a customer's money: for refunds, and for SMS on their way. Lives on ledger_accounts_customer.
SELECT coalesce(sum(balance) FILTER (WHERE kind = 'refund'), 0)::bigint AS refund,
    coalesce(sum(balance) FILTER (WHERE kind = 'sms'), 0)::bigint AS sms
FROM ledger_accounts WHERE account_id = %(account_id)s AND kind IN ('refund', 'sms')
