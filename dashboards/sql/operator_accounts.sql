-- Accounts that fit a search and a filter, a page of them, with their money, tariff and trackers, and how many fit in all. `ids` (of the
-- filter that needs a forecast) also say the order "days".
-- Reads all accounts, which are tens of thousands; what belongs to those of the page lives on the indexes of (account_id).
WITH found AS (
    SELECT a.id, a.name, a.disabled, b.currency, b.tariff_id, coalesce(l.balance, 0) AS balance, wanted.place, count(*) OVER () AS total
    FROM accounts a
        JOIN billing_accounts b ON b.account_id = a.id
        LEFT JOIN ledger_accounts l ON l.account_id = a.id AND l.kind = 'customer'
        LEFT JOIN unnest(%(ids)s::int[]) WITH ORDINALITY AS wanted (id, place) ON wanted.id = a.id
    WHERE (%(ids)s::int[] IS NULL OR wanted.id IS NOT NULL)
      AND (%(like)s::text IS NULL OR a.id = %(number)s OR a.name ILIKE %(like)s
           OR a.id IN (SELECT account_id FROM users WHERE email ILIKE %(like)s OR name ILIKE %(like)s))
      AND (NOT %(blocked)s OR a.id IN (SELECT account_id FROM billed_trackers WHERE removed_at IS NULL AND blocked IS NOT NULL))
      AND (NOT %(undecided)s OR a.id IN (
          SELECT account_id FROM payments WHERE flagged IS NOT NULL
          UNION SELECT account_id FROM refunds WHERE state IN ('requested', 'paying')))
    ORDER BY
        CASE WHEN %(sort)s = 'days' THEN wanted.place END,
        CASE WHEN %(sort)s = 'balance' THEN coalesce(l.balance, 0) WHEN %(sort)s = '-balance' THEN -coalesce(l.balance, 0) END,
        CASE WHEN %(sort)s = 'number' THEN a.id WHEN %(sort)s = '-number' THEN -a.id END,
        CASE WHEN %(sort)s = '-name' THEN lower(a.name) END DESC,
        CASE WHEN %(sort)s = 'name' THEN lower(a.name) END,
        a.id
    LIMIT %(limit)s OFFSET %(offset)s
)
SELECT found.id, found.name, found.disabled, found.currency, found.balance, found.total, tariffs.name AS tariff,
    tariffs.currency IS NULL AS free, counts.trackers, counts.blocked, person.email,
    EXISTS (SELECT FROM payments WHERE account_id = found.id AND flagged IS NOT NULL) AS flagged,
    EXISTS (SELECT FROM refunds WHERE account_id = found.id AND state IN ('requested', 'paying')) AS refund
FROM found
    JOIN tariffs ON tariffs.id = found.tariff_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS trackers, count(*) FILTER (WHERE t.blocked IS NOT NULL) AS blocked
        FROM billed_trackers t WHERE t.account_id = found.id AND t.removed_at IS NULL
    ) counts
    LEFT JOIN LATERAL (SELECT email FROM users WHERE account_id = found.id ORDER BY id LIMIT 1) person ON true
ORDER BY
    CASE WHEN %(sort)s = 'days' THEN found.place END,
    CASE WHEN %(sort)s = 'balance' THEN found.balance WHEN %(sort)s = '-balance' THEN -found.balance END,
    CASE WHEN %(sort)s = 'number' THEN found.id WHEN %(sort)s = '-number' THEN -found.id END,
    CASE WHEN %(sort)s = '-name' THEN lower(found.name) END DESC,
    CASE WHEN %(sort)s = 'name' THEN lower(found.name) END,
    found.id
