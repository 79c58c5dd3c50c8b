-- Whom the customer's line of an entry names, to be named again when it is given back. Unique index of keys, primary key of lines.
SELECT l.tracker_id, l.version_id
FROM ledger_entries e
JOIN ledger_lines l ON l.entry_id = e.id
JOIN ledger_accounts a ON a.id = l.ledger_id AND a.kind = 'customer'
WHERE e.key = %(key)s
