-- Up to which block accounts were told. Lives on the primary key.
INSERT INTO billing_warnings (account_id, days, block_id)
SELECT account_id, 0, block_id FROM unnest(%(account_ids)s::int[], %(block_ids)s::bigint[]) AS told (account_id, block_id)
ON CONFLICT (account_id, days) DO UPDATE SET block_id = excluded.block_id, told_at = now()
