-- One account with its money and its trackers' numbers. Lives on the primary keys and billed_trackers (account_id, …).
SELECT a.id, a.name, a.disabled, a.time_zone, a.created_at, b.currency, b.tariff_id, b.charged_through,
    coalesce((SELECT balance FROM ledger_accounts WHERE account_id = a.id AND kind = 'customer'), 0) AS balance,
    coalesce((SELECT balance FROM ledger_accounts WHERE account_id = a.id AND kind = 'refund'), 0) AS reserved,
    counts.trackers, counts.blocked, counts.test,
    (SELECT count(*) FROM payments WHERE account_id = a.id AND flagged IS NOT NULL) AS flagged,
    (SELECT count(*) FROM refunds WHERE account_id = a.id AND state IN ('requested', 'paying')) AS refunds,
    ARRAY(SELECT email FROM users WHERE account_id = a.id ORDER BY id LIMIT 3) AS emails,
    a.mqtt_publish, a.mqtt_discovery
FROM accounts a
    JOIN billing_accounts b ON b.account_id = a.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS trackers, count(*) FILTER (WHERE t.blocked IS NOT NULL) AS blocked, count(*) FILTER (WHERE t.test) AS test
        FROM billed_trackers t WHERE t.account_id = a.id AND t.removed_at IS NULL
    ) counts
WHERE a.id = %(id)s
