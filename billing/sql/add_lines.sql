-- All lines of an entry, in the order given. Lives on the primary key.
INSERT INTO ledger_lines (entry_id, no, ledger_id, tracker_id, version_id, day, amount, daily, reverses_entry, reverses_no)
SELECT %(entry_id)s, no, ledger_id, tracker_id, version_id, %(day)s, amount, daily,
    CASE WHEN reverses_no IS NOT NULL THEN %(reverses)s::bigint END, reverses_no
FROM unnest(%(ledger_ids)s::int[], %(tracker_ids)s::int[], %(version_ids)s::int[], %(amounts)s::bigint[], %(dailies)s::boolean[],
    %(reverses_nos)s::int[]) WITH ORDINALITY AS line (ledger_id, tracker_id, version_id, amount, daily, reverses_no, no)
