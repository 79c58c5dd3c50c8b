-- The lines of an entry of this account, with the ledger accounts they are on and whether they were taken back. Lives on the primary
-- keys, ledger_lines_reversed and, for an SMS, the unique index of keys.
SELECT e.kind, e.day, l.no, a.kind AS ledger, a.name, l.tracker_id, l.version_id, l.amount,
    EXISTS (SELECT FROM ledger_lines r WHERE r.reverses_entry = l.entry_id AND r.reverses_no = l.no) AS reversed,
    EXISTS (SELECT FROM ledger_entries s WHERE s.key = e.key || ':settled') AS settled
FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id JOIN ledger_accounts a ON a.id = l.ledger_id
WHERE e.id = %(entry_id)s AND e.account_id = %(account_id)s
ORDER BY l.no
