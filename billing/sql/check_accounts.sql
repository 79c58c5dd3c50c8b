-- Accounts whose billing contradicts itself: none at all, another tariff or currency than its past says, days charged that are still to
-- come, more changes of the tariff in a month than two. Reads all accounts.
WITH newest AS (
    SELECT DISTINCT ON (account_id) account_id, tariff_id FROM tariff_periods ORDER BY account_id, since DESC, id DESC
)
SELECT format('account %s', account_id), what
FROM (
    SELECT a.id AS account_id, 'it has no billing' AS what
    FROM accounts a WHERE NOT EXISTS (SELECT FROM billing_accounts b WHERE b.account_id = a.id)
    UNION ALL
    SELECT b.account_id, format('it is on tariff %s, its changes say %s', b.tariff_id, coalesce(newest.tariff_id::text, 'none'))
    FROM billing_accounts b LEFT JOIN newest ON newest.account_id = b.account_id
    WHERE newest.tariff_id IS DISTINCT FROM b.tariff_id
    UNION ALL
    SELECT b.account_id, format('its money is %s, its tariff''s %s', b.currency, t.currency)
    FROM billing_accounts b JOIN tariffs t ON t.id = b.tariff_id WHERE t.currency <> b.currency
    UNION ALL
    SELECT b.account_id, format('its money is %s, its %s ledger''s %s', b.currency, l.kind, l.currency)
    FROM billing_accounts b JOIN ledger_accounts l ON l.account_id = b.account_id WHERE l.currency <> b.currency
    UNION ALL
    SELECT e.account_id, format('entry %s is of %s, and only days up to %s are charged', max(e.id), max(e.day), max(b.charged_through))
    FROM billing_accounts b JOIN ledger_entries e ON e.account_id = b.account_id
    WHERE b.charged_through IS NULL OR e.day > b.charged_through
    GROUP BY e.account_id
    UNION ALL
    SELECT account_id, format('the customer changed its tariff %s times in %s', count(*), to_char(min(day), 'YYYY-MM'))
    FROM tariff_periods WHERE counted GROUP BY account_id, date_trunc('month', day) HAVING count(*) > 2
) wrong
ORDER BY account_id, what
LIMIT 1000
