-- Accounts whose money may not last the coming days: those with less than the most that their working trackers can cost until then (`most`
-- is of one tracker on a tariff), with what it takes to know exactly: until when each tracker's connection pays, and the warnings that
-- were given. Reads all accounts and trackers: 2 s for a million.
WITH working AS (
    SELECT account_id, count(*) AS trackers FROM billed_trackers
    WHERE removed_at IS NULL AND blocked IS NULL AND NOT test AND covered_until IS NOT NULL
    GROUP BY account_id
)
SELECT b.account_id, b.tariff_id, b.currency, b.charged_through AS day, coalesce(l.balance, 0) AS balance,
    ARRAY(
        SELECT covered_until FROM billed_trackers t
        WHERE t.account_id = b.account_id AND removed_at IS NULL AND blocked IS NULL AND NOT test AND covered_until IS NOT NULL
    ) AS covers,
    ARRAY(SELECT days FROM billing_warnings w WHERE w.account_id = b.account_id AND days > 0) AS told
FROM working
    JOIN billing_accounts b ON b.account_id = working.account_id
    JOIN accounts a ON a.id = b.account_id
    JOIN unnest(%(tariff_ids)s::int[], %(mosts)s::bigint[]) AS bound (tariff_id, most) ON bound.tariff_id = b.tariff_id
    LEFT JOIN ledger_accounts l ON l.account_id = b.account_id AND l.kind = 'customer'
WHERE b.charged_through IS NOT NULL AND coalesce(l.balance, 0) / bound.most < working.trackers
ORDER BY b.account_id
