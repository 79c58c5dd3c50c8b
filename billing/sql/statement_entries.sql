-- Entries of a customer's statement, oldest first: what is charged at once for many trackers is one row. Of one tracker and one
-- tariff the row tells which. Lives on ledger_entries (account_id, day, id), the primary key of lines.
WITH entries AS MATERIALIZED (
    SELECT e.day, e.at, e.id AS entry_id, min(l.no) AS no, e.kind, CASE WHEN count(*) = 1 THEN min(l.tracker_id) END AS tracker_id,
        CASE WHEN count(DISTINCT l.version_id) = 1 THEN min(l.version_id) END AS version_id, sum(l.amount)::bigint AS amount, e.memo,
        e.reverses, CASE WHEN count(*) = 1 THEN min(l.reverses_no) END AS reverses_no, count(*)::int AS lines
    FROM ledger_entries e CROSS JOIN LATERAL ( -- OFFSET: never by reading all customers' lines
        SELECT no, tracker_id, version_id, amount, reverses_no FROM ledger_lines l
        WHERE l.entry_id = e.id AND l.ledger_id = (SELECT id FROM ledger_accounts WHERE account_id = %(account_id)s AND kind = 'customer')
          AND (%(device_id)s::int IS NULL OR l.tracker_id = ANY(ARRAY(
              SELECT id FROM billed_trackers WHERE account_id = %(account_id)s AND device_id = %(device_id)s)))
        OFFSET 0
    ) l
    WHERE e.account_id = %(account_id)s AND e.day BETWEEN %(since)s AND %(until)s AND e.id <= %(last)s
      AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s))
      AND (%(entry_id)s::bigint IS NULL OR e.id = %(entry_id)s)
    GROUP BY e.id
    ORDER BY e.day, e.id
    LIMIT %(limit)s OFFSET %(offset)s
)
SELECT entries.day, entries.at, entries.entry_id, entries.no, entries.kind, t.device_id, t.name, t.unique_id, tariffs.name AS tariff,
    v.price, entries.amount, entries.memo, entries.reverses, entries.reverses_no, entries.lines,
    (%(balance)s + sum(entries.amount) OVER (ORDER BY entries.day, entries.entry_id))::bigint AS balance
FROM entries
    LEFT JOIN billed_trackers t ON t.id = entries.tracker_id
    LEFT JOIN tariff_versions v ON v.id = entries.version_id
    LEFT JOIN tariffs ON tariffs.id = v.tariff_id
ORDER BY entries.day, entries.entry_id
