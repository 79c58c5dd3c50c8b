-- What was earned, paid in, given and paid back in these days, by day (or month) and currency. What reverses a charge takes from what was
-- earned, what reverses a top-up from what was paid in, on the day of the reversal.
-- Lives on ledger_entries_day, in its order and without the table: entries alone, no lines.
SELECT date_trunc(%(by)s, day)::date AS day, currency,
    coalesce(-sum(amount) FILTER (WHERE what IN ('connection', 'daily', 'sms', 'sms_returned')), 0)::bigint AS earned,
    coalesce(sum(amount) FILTER (WHERE what = 'topup'), 0)::bigint AS paid_in,
    coalesce(sum(amount) FILTER (WHERE what = 'bonus'), 0)::bigint AS given,
    coalesce(-sum(amount) FILTER (WHERE what IN ('refund_requested', 'refund_returned', 'refund', 'dispute', 'dispute_won')), 0)::bigint AS paid_back
FROM (
    SELECT day, currency, kind AS what, sum(amount) AS amount
    FROM ledger_entries WHERE day >= %(since)s AND day < %(until)s AND kind <> 'reversal'
    GROUP BY day, kind, currency
    UNION ALL
    SELECT r.day, r.currency, o.kind, r.amount FROM ledger_entries r JOIN ledger_entries o ON o.id = r.reverses
    WHERE r.day >= %(since)s AND r.day < %(until)s AND r.kind = 'reversal'
) moved
GROUP BY 1, 2 ORDER BY 1, 2
