-- Customers' ledger accounts that were below zero after some entry, the first such entry of each. Reads the whole ledger.
WITH moved AS (
    SELECT li.ledger_id, l.account_id, l.kind, li.entry_id, sum(li.amount) AS amount
    FROM ledger_lines li JOIN ledger_accounts l ON l.id = li.ledger_id
    WHERE l.account_id IS NOT NULL
    GROUP BY li.ledger_id, l.account_id, l.kind, li.entry_id
), walked AS (
    SELECT *, sum(amount) OVER (PARTITION BY ledger_id ORDER BY entry_id) AS balance FROM moved
)
SELECT format('account %s, entry %s', account_id, entry_id), format('it took the %s ledger below zero, to %s', kind, balance)
FROM (SELECT DISTINCT ON (ledger_id) * FROM walked WHERE balance < 0 ORDER BY ledger_id, entry_id) first
ORDER BY account_id, entry_id
LIMIT 1000
