-- How many trackers are charged by a tariff. Reads all accounts' billing, and of those on the tariff billed_trackers (account_id, …).
SELECT count(*) FROM billing_accounts b JOIN billed_trackers t ON t.account_id = b.account_id
WHERE b.tariff_id = %(tariff_id)s AND t.removed_at IS NULL AND NOT t.test
