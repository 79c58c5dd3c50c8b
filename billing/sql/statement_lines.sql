-- Lines of a customer's statement after this one, oldest first.
-- Lives on ledger_entries (account_id, day, id), the primary key of lines.
WITH lines AS MATERIALIZED (
    SELECT e.day, e.at, e.id AS entry_id, l.no, e.kind, l.tracker_id, l.version_id, l.amount, e.memo, e.reverses, l.reverses_no
    FROM ledger_entries e CROSS JOIN LATERAL ( -- OFFSET: never by reading all customers' lines
        SELECT no, tracker_id, version_id, amount, reverses_no FROM ledger_lines l
        WHERE l.entry_id = e.id AND l.ledger_id = (SELECT id FROM ledger_accounts WHERE account_id = %(account_id)s AND kind = 'customer')
          AND (%(device_id)s::int IS NULL OR l.tracker_id = ANY(ARRAY(
              SELECT id FROM billed_trackers WHERE account_id = %(account_id)s AND device_id = %(device_id)s)))
        OFFSET 0
    ) l
    WHERE e.account_id = %(account_id)s AND e.day BETWEEN %(since)s AND %(until)s AND e.id <= %(last)s
      AND (e.day, e.id) >= (%(after_day)s, %(after_entry)s) AND (e.day, e.id, l.no) > (%(after_day)s, %(after_entry)s, %(after_no)s)
      AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s))
      AND (%(entry_id)s::bigint IS NULL OR e.id = %(entry_id)s)
    ORDER BY e.day, e.id, l.no
    LIMIT %(limit)s OFFSET %(offset)s
)
SELECT lines.day, lines.at, lines.entry_id, lines.no, lines.kind, t.device_id, t.name, t.unique_id, tariffs.name AS tariff, v.price,
    lines.amount, lines.memo, lines.reverses, lines.reverses_no, 1 AS lines,
    (%(balance)s + sum(lines.amount) OVER (ORDER BY lines.day, lines.entry_id, lines.no))::bigint AS balance
FROM lines
    LEFT JOIN billed_trackers t ON t.id = lines.tracker_id
    LEFT JOIN tariff_versions v ON v.id = lines.version_id
    LEFT JOIN tariffs ON tariffs.id = v.tariff_id
ORDER BY lines.day, lines.entry_id, lines.no
