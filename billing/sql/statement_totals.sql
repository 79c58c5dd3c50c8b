-- What the lines of a customer's statement add up to, came and went apart, their number and that of their entries.
-- Lives on ledger_entries (account_id, day, id), the primary key of lines.
SELECT coalesce(sum(lines), 0)::int AS lines, count(*)::int AS entries, coalesce(sum(came), 0)::bigint AS came,
    coalesce(sum(went), 0)::bigint AS went
FROM (
    SELECT count(*) AS lines, sum(l.amount) FILTER (WHERE l.amount > 0) AS came, sum(l.amount) FILTER (WHERE l.amount < 0) AS went
    FROM ledger_entries e CROSS JOIN LATERAL ( -- OFFSET: never by reading all customers' lines
        SELECT amount FROM ledger_lines l
        WHERE l.entry_id = e.id AND l.ledger_id = (SELECT id FROM ledger_accounts WHERE account_id = %(account_id)s AND kind = 'customer')
          AND (%(device_id)s::int IS NULL OR l.tracker_id = ANY(ARRAY(
              SELECT id FROM billed_trackers WHERE account_id = %(account_id)s AND device_id = %(device_id)s)))
        OFFSET 0
    ) l
    WHERE e.account_id = %(account_id)s AND e.day BETWEEN %(since)s AND %(until)s AND e.id <= %(last)s
      AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s))
      AND (%(entry_id)s::bigint IS NULL OR e.id = %(entry_id)s)
    GROUP BY e.id
) entry
