-- The name of an account's test tracker. Lives on billed_trackers_test.
SELECT name FROM billed_trackers WHERE account_id = %(account_id)s AND test AND removed_at IS NULL
