-- A customer's money at the beginning of a day. Lives on ledger_entries (account_id, day, id).
SELECT coalesce(sum(amount), 0)::bigint FROM ledger_entries
WHERE account_id = %(account_id)s AND day < %(since)s AND id <= %(last)s
