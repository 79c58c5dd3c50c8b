"""Brings the database's schema up to date: `migrations/*.sql` in the order of their numbers, by yoyo-migrations.

yoyo as it comes runs a migration on one connection and marks it as done on another, and keeps its lock as a row. Killed in
between, it would find its own half-done work, or its own lock, at every later start. So here all of it is one transaction on
one connection, and the lock is PostgreSQL's advisory one, which dies with the connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import as_file, files
from typing import Any
from uuid import uuid4

import psycopg
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri

LOCK = 0x7E1E_0001  # the advisory lock of whoever migrates


class _OneTransaction(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo has no types
    """yoyo on a connection of ours, which it shares with itself instead of opening others."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._given = connection
        super().__init__(parse_uri("postgresql+psycopg:///ours"), "_yoyo_migration")  # an address that nobody calls

    def connect(self, dburi: str) -> psycopg.Connection[Any]:
        return self._given

    @contextmanager
    def copy(self) -> Iterator[_OneTransaction]:
        yield self

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
        """Without the names of user and host: asking for them can fail in a container, or wait for a name server."""
        return {
            "id": str(uuid4()),
            "migration_id": migration.id,
            "migration_hash": migration.hash,
            "username": "telematics",
            "hostname": "",
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


@contextmanager
def migrating(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """For as long as the block lasts, nobody else migrates this database. Waits for whoever does now."""
    connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def migrate(connection: psycopg.Connection[Any]) -> list[str]:
    """Apply what is missing, all or nothing, and return its names. To be called within `migrating`, in autocommit."""
    backend = _OneTransaction(connection)
    with as_file(files("telematics.store") / "migrations") as folder:
        migrations = read_migrations(str(folder))
        backend.create_lock_table()
        backend.break_lock()  # whoever left it there is dead: the advisory lock is ours
        backend.ensure_internal_schema_updated()
        missing = backend.to_apply(migrations)
        with backend.transaction():
            backend.apply_migrations(missing)
    return [migration.id for migration in missing]
