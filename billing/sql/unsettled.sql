-- Accounts with connections that are to be settled. Lives on billed_trackers_due.
SELECT DISTINCT account_id FROM billed_trackers WHERE connection_due AND removed_at IS NULL AND blocked IS NULL ORDER BY account_id
