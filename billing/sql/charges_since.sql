-- An account's entries that charged something from a day on and weren't taken back, or not all of them. Lives on
-- ledger_entries_account, the lines' primary key and ledger_lines_reversed.
SELECT e.id
FROM ledger_entries e
WHERE e.account_id = %(account_id)s AND e.day >= %(day)s AND e.kind IN ('connection', 'daily', 'sms')
    AND (e.kind <> 'sms' OR EXISTS (SELECT FROM ledger_entries s WHERE s.key = e.key || ':settled'))
    AND EXISTS (
        SELECT FROM ledger_lines l JOIN ledger_accounts a ON a.id = l.ledger_id AND a.kind = 'customer'
        WHERE l.entry_id = e.id
            AND NOT EXISTS (SELECT FROM ledger_lines r WHERE r.reverses_entry = l.entry_id AND r.reverses_no = l.no)
    )
ORDER BY e.id
