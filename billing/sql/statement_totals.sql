-- What the lines of a customer's statement add up to: before the period, and in it, with their number. With no tracker, kind or entry
-- asked for, what was before is known of the entries alone. Lives on ledger_entries (account_id, day, id), the primary key of lines.
WITH own AS (
    SELECT id FROM ledger_accounts WHERE account_id = %(account_id)s AND kind = 'customer'
), wanted AS (
    SELECT array_agg(id) AS ids FROM billed_trackers WHERE account_id = %(account_id)s AND device_id = %(device_id)s::int
)
SELECT coalesce(before.amount, 0)::bigint AS opening, period.lines, period.entries, period.came, period.went
FROM (
    SELECT sum(e.amount) AS amount FROM ledger_entries e
    WHERE %(whole)s AND e.account_id = %(account_id)s AND e.day < %(since)s
    UNION ALL
    SELECT sum(l.amount) FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id
    WHERE NOT %(whole)s AND e.account_id = %(account_id)s AND e.day < %(since)s AND l.ledger_id = (SELECT id FROM own)
      AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s))
      AND (%(entry_id)s::bigint IS NULL OR e.id = %(entry_id)s)
      AND (%(device_id)s::int IS NULL OR l.tracker_id = ANY((SELECT ids FROM wanted)::int[]))
    ORDER BY amount NULLS LAST
    LIMIT 1
) before, (
    SELECT coalesce(sum(lines), 0)::int AS lines, count(*)::int AS entries, coalesce(sum(came), 0)::bigint AS came,
        coalesce(sum(went), 0)::bigint AS went
    FROM (
        SELECT count(*) AS lines, sum(l.amount) FILTER (WHERE l.amount > 0) AS came, sum(l.amount) FILTER (WHERE l.amount < 0) AS went
        FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id
        WHERE e.account_id = %(account_id)s AND e.day BETWEEN %(since)s AND %(until)s AND l.ledger_id = (SELECT id FROM own)
          AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s))
          AND (%(entry_id)s::bigint IS NULL OR e.id = %(entry_id)s)
          AND (%(device_id)s::int IS NULL OR l.tracker_id = ANY((SELECT ids FROM wanted)::int[]))
          AND e.id <= %(last)s
        GROUP BY e.id
    ) entry
) period
