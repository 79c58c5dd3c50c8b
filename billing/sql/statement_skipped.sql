-- What the first lines of a customer's statement add up to; `grouped`: its first entries.
-- Lives on ledger_entries (account_id, day, id), the primary key of lines.
SELECT coalesce(sum(amount), 0)::bigint
FROM (
    SELECT sum(l.amount) AS amount
    FROM ledger_entries e CROSS JOIN LATERAL ( -- OFFSET: never by reading all customers' lines
        SELECT no, amount FROM ledger_lines l
        WHERE l.entry_id = e.id AND l.ledger_id = (SELECT id FROM ledger_accounts WHERE account_id = %(account_id)s AND kind = 'customer')
          AND (%(device_id)s::int IS NULL OR l.tracker_id = ANY(ARRAY(
              SELECT id FROM billed_trackers WHERE account_id = %(account_id)s AND device_id = %(device_id)s)))
        OFFSET 0
    ) l
    WHERE e.account_id = %(account_id)s AND e.day BETWEEN %(since)s AND %(until)s AND e.id <= %(last)s
      AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s))
      AND (%(entry_id)s::bigint IS NULL OR e.id = %(entry_id)s)
    GROUP BY e.day, e.id, CASE WHEN %(grouped)s THEN 0 ELSE l.no END
    ORDER BY e.day, e.id, CASE WHEN %(grouped)s THEN 0 ELSE l.no END
    LIMIT %(offset)s
) first
