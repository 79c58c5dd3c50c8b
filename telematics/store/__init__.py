"""The store: PostgreSQL, with or without TimescaleDB, foreign or embedded.

Its doors: `database.open_database` (connections), `writer.Writer` (one batch, one transaction), `snapshot` (device states),
and one module for each small list (`dead_letters`, `unknown`, `devices`). `edition.py` alone knows which database it is;
`sql/` holds the queries.
"""
