-- Trackers that were charged for a day more than once. Reads the whole ledger, and trusts neither index nor mark of daily lines.
SELECT format('account %s, tracker %s', min(e.account_id), li.tracker_id),
    format('%s was charged %s times, by entries %s', li.day, count(*), string_agg(e.id::text, ', ' ORDER BY e.id))
FROM ledger_entries e JOIN ledger_lines li ON li.entry_id = e.id JOIN ledger_accounts l ON l.id = li.ledger_id
WHERE e.kind = 'daily' AND l.kind = 'customer'
GROUP BY li.tracker_id, li.day
HAVING count(*) > 1
ORDER BY li.tracker_id, li.day
LIMIT 1000
