-- Of these accounts: the trackers that wait for money (`connections`, `dailies`: what is unpaid of how many), those nobody was told of
-- (`fresh`, the first of them by `names`), and up to which block that is. Those that people blocked as well no money frees. Lives on blocks_open and the primary keys.
SELECT b.account_id, b.tariff_id, b.currency, b.charged_through AS day, coalesce(l.balance, 0) AS balance, found.*
FROM billing_accounts b
    LEFT JOIN ledger_accounts l ON l.account_id = b.account_id AND l.kind = 'customer'
    JOIN (
        SELECT k.account_id AS of, max(k.id) AS block_id,
            count(*) FILTER (WHERE fresh AND t.blocked = 'unpaid')::int AS fresh,
            coalesce((array_agg(t.name ORDER BY t.connected_at, t.id) FILTER (WHERE fresh AND t.blocked = 'unpaid'))[:3], '{}') AS names,
            count(*) FILTER (WHERE k.unpaid = 'connection' AND t.blocked = 'unpaid')::int AS connections,
            count(*) FILTER (WHERE k.unpaid = 'daily' AND t.blocked = 'unpaid')::int AS dailies
        FROM blocks k JOIN billed_trackers t ON t.id = k.tracker_id AND t.removed_at IS NULL
            LEFT JOIN billing_warnings w ON w.account_id = k.account_id AND w.days = 0
            CROSS JOIN LATERAL (SELECT k.id > coalesce(w.block_id, 0) AS fresh) news
        WHERE k.account_id = ANY(%(account_ids)s::int[]) AND k.until IS NULL AND k.kind = 'unpaid'
        GROUP BY k.account_id
    ) found ON found.of = b.account_id
ORDER BY b.account_id
