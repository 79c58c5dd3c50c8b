-- The customers' money by currency: at hand, set aside for refunds, and for SMS on their way. Reads the ledger's accounts, not its lines.
SELECT currency, count(*) FILTER (WHERE kind = 'customer' AND balance > 0) AS accounts,
    coalesce(sum(balance) FILTER (WHERE kind = 'customer'), 0)::bigint AS at_hand,
    coalesce(sum(balance) FILTER (WHERE kind = 'refund'), 0)::bigint AS refunds,
    coalesce(sum(balance) FILTER (WHERE kind = 'sms'), 0)::bigint AS sms
FROM ledger_accounts WHERE account_id IS NOT NULL
GROUP BY currency ORDER BY currency
