-- The customer's lines of an entry of this account, by their number; whether each has been reversed.
-- Lives on the primary keys and ledger_lines_reversed.
SELECT e.id AS entry_id, e.kind, e.day, e.currency, e.memo, l.no, l.amount, t.name AS tracker, t.unique_id,
    r.entry_id AS reversed_by
FROM ledger_entries e
    JOIN ledger_lines l ON l.entry_id = e.id
    JOIN ledger_accounts c ON c.id = l.ledger_id AND c.kind = 'customer'
    LEFT JOIN billed_trackers t ON t.id = l.tracker_id
    LEFT JOIN ledger_lines r ON r.reverses_entry = l.entry_id AND r.reverses_no = l.no
WHERE e.id = %(entry_id)s AND e.account_id = %(account_id)s
ORDER BY l.no
