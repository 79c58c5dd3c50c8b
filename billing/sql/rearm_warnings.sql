-- Warnings that hold no longer, as there is money for more days, are forgotten: the next time is told again. The accounts and days are of
-- those who are still low. Reads all warnings.
DELETE FROM billing_warnings w
WHERE w.told_at < %(before)s AND (
    w.days > 0 AND NOT EXISTS (
        SELECT FROM unnest(%(account_ids)s::int[], %(lefts)s::int[]) AS low (account_id, days_left)
        WHERE low.account_id = w.account_id AND low.days_left <= w.days
    )
    OR NOT EXISTS (SELECT FROM accounts WHERE id = w.account_id)
)
