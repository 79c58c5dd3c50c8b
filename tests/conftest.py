"""A real database for whoever asks for one: the embedded PostgreSQL, one per process, or TELEMATICS_TEST_DATABASE_URL (a
TimescaleDB, say).

`database_url`      a fresh database of its own for each test, with schema; copied from a template in some 50 ms
`settings`          Settings with that database and a data folder of its own
`database`          the open store on it
`empty_database_url` the same without a schema

Where the server is foreign, databases are made on it and dropped again; its user must be allowed to.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from telematics.config import Settings
from telematics.store import database as store
from telematics.store.database import Database, open_database
from telematics.store.embedded import Embedded


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server where databases may be made."""
    given = os.environ.get("TELEMATICS_TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="telematics-tests-"))
    server = Embedded(folder)
    try:
        url = server.start()
        with psycopg.connect(url, autocommit=True) as connection:
            # What is tested is what we ask of the database, not what the disk does with it; kill -9 is survived all the same.
            for setting in ("fsync = off", "full_page_writes = off", "max_connections = 200"):
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(server_url: str, template: str | None = None) -> Iterator[str]:
    name = f"telematics_test_{uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        strategy = "" if template is None else f" TEMPLATE {template} STRATEGY file_copy"
        if connection.info.server_version < 150000:
            strategy = strategy.removesuffix(" STRATEGY file_copy")
        connection.execute(f"CREATE DATABASE {name}{strategy}".encode())
        try:
            yield make_conninfo(server_url, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a database with the schema and nothing else, which nobody is connected to."""
    with new_database(server_url) as url:
        store._prepare(url)
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        assert isinstance(name, str)
        with psycopg.connect(server_url, autocommit=True) as connection:
            # TimescaleDB's own workers connect to a database as soon as they see it, and then it can't be copied.
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield name


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    with new_database(server_url, template) as url:
        yield url


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        yield url


@pytest.fixture
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("TELEMATICS_") and name != "TELEMATICS_TEST_DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TELEMATICS_CONFIG", str(tmp_path / "telematics.toml"))
    return Settings(database_url=database_url, data_dir=tmp_path / "data")


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings) as database:
        yield database
