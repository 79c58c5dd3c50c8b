-- Entries that are not whole: lines that don't add up to zero, too few lines, another amount, day, account or currency than the lines
-- say, lines without an entry. Reads the whole ledger.
WITH added AS (
    SELECT li.entry_id, count(*) AS lines, sum(li.amount) AS total, min(li.day) AS first_day, max(li.day) AS last_day,
        coalesce(sum(li.amount) FILTER (WHERE l.kind = 'customer'), 0) AS own,
        count(DISTINCT l.currency) AS currencies, min(l.currency) AS currency, bool_or(l.id IS NULL) AS nowhere,
        count(DISTINCT l.account_id) AS customers, min(l.account_id) AS customer
    FROM ledger_lines li LEFT JOIN ledger_accounts l ON l.id = li.ledger_id
    GROUP BY li.entry_id
)
SELECT concat_ws(', ', 'account ' || e.account_id, 'entry ' || coalesce(e.id, added.entry_id)), said.what
FROM added FULL JOIN ledger_entries e ON e.id = added.entry_id
    CROSS JOIN LATERAL (VALUES
        (e.id IS NULL, 'its lines have no entry'),
        (added.entry_id IS NULL, 'it has no lines'),
        (added.lines < 2, 'it has a single line'),
        (added.total <> 0, format('its lines add up to %s instead of 0', added.total)),
        (added.nowhere, 'a line is of a ledger account that does not exist'),
        (added.own <> e.amount, format('it says it moves %s of the customer''s money, its lines move %s', e.amount, added.own)),
        (added.first_day <> e.day OR added.last_day <> e.day,
            format('it is of %s, its lines are of %s to %s', e.day, added.first_day, added.last_day)),
        (added.currencies > 1 OR added.currency <> e.currency, 'currencies are mixed in it'),
        (added.customers > 1 OR added.customer <> e.account_id, 'it moves another account''s money')
    ) AS said (wrong, what)
WHERE said.wrong
ORDER BY coalesce(e.id, added.entry_id)
LIMIT 1000
