-- Reversals that don't take back what they say: of another account, of later entries, lines that are no mirror, lines taken back twice.
-- Lives on ledger_entries_reverses.
WITH mirrors AS (
    SELECT e.id AS entry_id, e.account_id, e.reverses, li.no, li.reverses_entry, li.reverses_no, l.kind AS ledger,
        o.account_id AS of_account, o.id AS of_entry, ol.entry_id IS NOT NULL AS found,
        (ol.ledger_id, ol.tracker_id, ol.version_id, ol.amount) IS NOT DISTINCT FROM
            (li.ledger_id, li.tracker_id, li.version_id, -li.amount) AS mirrored,
        count(*) OVER (PARTITION BY li.reverses_entry, li.reverses_no) AS times
    FROM ledger_entries e JOIN ledger_lines li ON li.entry_id = e.id JOIN ledger_accounts l ON l.id = li.ledger_id
        LEFT JOIN ledger_entries o ON o.id = e.reverses
        LEFT JOIN ledger_lines ol ON ol.entry_id = e.reverses AND ol.no = li.reverses_no AND li.reverses_entry = e.reverses
    WHERE e.kind = 'reversal'
)
SELECT DISTINCT format('account %s, entry %s', account_id, entry_id), said.what
FROM mirrors CROSS JOIN LATERAL (VALUES
    (of_entry IS NULL, 'it reverses an entry that does not exist'),
    (of_account <> account_id, format('it reverses entry %s of account %s', of_entry, of_account)),
    (of_entry >= entry_id, format('it reverses entry %s, which came later', of_entry)),
    (ledger = 'customer' AND of_entry IS NOT NULL AND NOT (found AND mirrored),
        format('its line %s is not the mirror of a line of entry %s', no, of_entry)),
    (reverses_no IS NOT NULL AND times > 1, format('line %s of entry %s is reversed %s times', reverses_no, reverses_entry, times))
) AS said (wrong, what)
WHERE said.wrong
UNION ALL
SELECT format('account %s, entry %s', account_id, entry_id), 'it reverses no line of the customer''s'
FROM mirrors GROUP BY account_id, entry_id HAVING NOT bool_or(ledger = 'customer')
UNION ALL
SELECT format('account %s, entry %s', e.account_id, e.id), format('it is %s and reverses an entry', e.kind)
FROM ledger_entries e WHERE e.reverses IS NOT NULL AND e.kind <> 'reversal'
ORDER BY 1, 2
LIMIT 1000
