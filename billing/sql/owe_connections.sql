-- All trackers of an account begin anew: their connections are to be paid, or nothing is. Lives on billed_trackers (account_id, …).
UPDATE billed_trackers SET connection_due = %(due)s AND NOT test, covered_until = NULL
WHERE account_id = %(account_id)s AND removed_at IS NULL
