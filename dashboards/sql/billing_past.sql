-- By how much an account's money at hand changed on each day after this one. Lives on ledger_entries (account_id, day, id).
SELECT day, sum(amount)::bigint AS amount FROM ledger_entries
WHERE account_id = %(account_id)s AND day > %(after)s AND amount <> 0
GROUP BY day ORDER BY day
