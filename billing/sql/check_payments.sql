-- Payments and refunds whose money is not in the ledger, or is there otherwise, and entries that two of them claim. Lives on the primary
-- keys.
WITH claims AS (
    SELECT p.account_id, 'payment ' || p.id AS name, p.entry_id, p.currency, coalesce(p.received, p.amount) AS amount,
        p.state IN ('paid', 'refunded', 'disputed', 'lost') AS due, p.state, ARRAY['topup', 'bonus'] AS kinds, NULL AS refund
    FROM payments p
    UNION ALL
    SELECT r.account_id, format('refund %s by payment %s', r.id, part.payment_id), part.entry_id, r.currency, -part.amount,
        part.state = 'paid', part.state, ARRAY['refund'], 'refund'
    FROM refund_parts part JOIN refunds r ON r.id = part.refund_id
), moved AS ( -- what an entry brings to the money at hand, or takes of what is set aside
    SELECT claims.name, e.id, e.kind, e.account_id, e.currency,
        sum(li.amount) FILTER (WHERE l.kind = coalesce(claims.refund, 'customer')) AS amount
    FROM claims JOIN ledger_entries e ON e.id = claims.entry_id
        JOIN ledger_lines li ON li.entry_id = e.id JOIN ledger_accounts l ON l.id = li.ledger_id
    GROUP BY claims.name, e.id
)
SELECT format('account %s, %s', c.account_id, c.name), said.what
FROM claims c LEFT JOIN moved m ON m.name = c.name
    CROSS JOIN LATERAL (VALUES
        (c.due AND c.entry_id IS NULL, format('it is %s, and the ledger has no entry of it', c.state)),
        (NOT c.due AND c.entry_id IS NOT NULL, format('it is %s, and entry %s moved its money', c.state, c.entry_id)),
        (m.account_id <> c.account_id, format('entry %s is of account %s', m.id, m.account_id)),
        (m.currency <> c.currency, format('it is in %s, entry %s in %s', c.currency, m.id, m.currency)),
        (m.kind <> ALL (c.kinds), format('entry %s is of the kind %s', m.id, m.kind)),
        (c.entry_id IS NOT NULL AND m.amount IS DISTINCT FROM c.amount,
            format('it is of %s, entry %s of %s', abs(c.amount), c.entry_id, coalesce(abs(m.amount), 0)))
    ) AS said (wrong, what)
WHERE said.wrong
UNION ALL
SELECT format('account %s, entry %s', min(account_id), entry_id), 'it is claimed by ' || string_agg(name, ' and ' ORDER BY name)
FROM claims WHERE entry_id IS NOT NULL GROUP BY entry_id HAVING count(*) > 1
ORDER BY 1, 2
LIMIT 1000
