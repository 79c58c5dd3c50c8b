-- The entry of this key. Lives on the unique index of keys.
SELECT id FROM ledger_entries WHERE key = %(key)s
