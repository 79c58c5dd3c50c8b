-- Accounts whose money set aside for SMS is not what the messages on their way cost. Lives on sms_charges_open.
SELECT format('account %s', coalesce(l.account_id, reserved.account_id)),
    format('%s are set aside for SMS, and those on their way cost %s', coalesce(l.amount, 0), coalesce(reserved.amount, 0))
FROM (
    SELECT l.account_id, sum(li.amount) AS amount
    FROM ledger_accounts l JOIN ledger_lines li ON li.ledger_id = l.id WHERE l.kind = 'sms' GROUP BY l.account_id
) l FULL JOIN (
    SELECT account_id, sum(amount) AS amount FROM sms_charges WHERE state = 'reserved' GROUP BY account_id
) reserved ON reserved.account_id = l.account_id
WHERE coalesce(l.amount, 0) <> coalesce(reserved.amount, 0)
ORDER BY 1
LIMIT 1000
