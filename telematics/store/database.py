"""Opening the store: which database, its schema brought up to date, a pool for pages and jobs, connections for whoever needs
one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from telematics.config import Settings
from telematics.store import edition
from telematics.store.embedded import Embedded
from telematics.store.errors import DISK_FULL, StoreBusy, StoreError, StoreRefused, translate
from telematics.store.migrate import migrate, migrating

log = structlog.get_logger(__name__)

OLDEST = 140000  # PostgreSQL 14; uuid and multirange features below it were never tried here
POOL_CONNECTIONS = 12  # pages and jobs; more would only queue inside the database
CONNECT_S = 5
STATEMENT_S = 30  # a page that takes longer has lost its reader

Result = TypeVar("Result")


class Database:
    """An open store. Made by `open_database`."""

    def __init__(self, settings: Settings, url: str, found: edition.Edition, server: Embedded | None) -> None:
        self.settings = settings
        self.url = url
        self.kind = found
        self._server = server
        self._reviving = asyncio.Lock()
        self.pool: AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]] = AsyncConnectionPool(
            url, min_size=1, max_size=POOL_CONNECTIONS, open=False, configure=_configure, timeout=10, reconnect_timeout=30,
            max_idle=300, name="telematics", check=AsyncConnectionPool.check_connection,
        )  # fmt: skip

    @property
    def edition(self) -> edition.Name:
        return self.kind.name

    @property
    def embedded(self) -> bool:
        return self._server is not None

    @property
    def server_pid(self) -> int | None:
        """Of the embedded PostgreSQL's first process."""
        return None if self._server is None else self._server.pid

    async def connect(self) -> AsyncConnection[tuple[Any, ...]]:
        """A connection for its caller alone, in autocommit. Raises StoreBusy or StoreRefused."""
        try:
            connection = await AsyncConnection.connect(self.url, autocommit=True)
            try:
                await _configure(connection)
            except BaseException:
                await connection.close()
                raise
        except psycopg.Error as error:
            raise translate(error) or error from error
        return connection

    async def revive(self) -> None:
        """To be called when connections fail: starts the embedded PostgreSQL again if it has died. Raises StoreError while it
        can't."""
        if self._server is None:
            return
        async with self._reviving:
            if await asyncio.to_thread(self._server.revive):
                log.warning("the embedded database had died and was started again")


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(f"SET statement_timeout = '{STATEMENT_S}s'; SET timezone = 'UTC'".encode())
    if not connection.autocommit:
        await connection.commit()


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database of these settings, ready for use. Raises StoreRefused with a sentence for whoever configured it."""
    server = None if settings.database_url else Embedded(settings.data_dir)
    try:  # also when the start itself is broken off
        url = await _in_thread(server.start) if server is not None else _foreign_url(settings.database_url or "")
        database = Database(settings, url, await _in_thread(lambda: _prepare(url)), server)
        async with database.pool:
            if database.kind.note:
                log.warning(database.kind.note)
            yield database
    finally:
        if server is not None:
            await _in_thread(server.stop)


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Also when we are cancelled meanwhile: to leave a start or a stop half-way would leave the database to nobody."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _foreign_url(url: str) -> str:
    """With time limits, so that a machine that vanished is noticed; what the owner wrote stays."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise StoreRefused("database_url can't be read: write it as postgresql://user:password@host:5432/name") from error
    defaults: dict[str, str | int] = {
        "connect_timeout": CONNECT_S,
        "application_name": "telematics",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    return make_conninfo(url, **{name: value for name, value in defaults.items() if name not in given})


def _prepare(url: str) -> edition.Edition:
    """Check, migrate, make the tables. At a start everything that fails is for a person to mend, even what could pass later."""
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            _check(connection)
            connection.execute("SET timezone = 'UTC'; SET client_min_messages = warning")
            with migrating(connection):
                for name in migrate(connection):
                    log.info("database schema brought up to date", migration=name)
                return edition.prepare(connection)
    except psycopg.Error as error:
        translated = translate(error)
        if isinstance(translated, StoreBusy):
            do = "" if str(translated).startswith(DISK_FULL) else ": start it, or correct database_url"
            raise StoreRefused(f"{translated}{do}") from error
        raise translated or StoreRefused(f"the database's schema can't be brought up to date: {error}") from error


def _check(connection: psycopg.Connection[Any]) -> None:
    version = connection.info.server_version
    if version < OLDEST:
        raise StoreRefused(
            f"the database is PostgreSQL {version // 10000}, {OLDEST // 10000} is the oldest that will do: upgrade it"
        )
    row = connection.execute(
        "SELECT current_setting('server_encoding'), pg_is_in_recovery(), has_schema_privilege(current_schema(), 'CREATE')"
    ).fetchone()
    assert row is not None
    if row[0] != "UTF8":
        raise StoreRefused(f"the database's encoding is {row[0]}: create one with ENCODING 'UTF8' TEMPLATE template0")
    if row[1]:
        raise StoreRefused("the database is a read-only standby: point database_url at the primary")
    if not row[2]:  # without a schema at all it is NULL
        raise StoreRefused(
            "the database user may not make tables: make it the owner of the database (ALTER DATABASE … OWNER TO …)"
        )


__all__ = ["Database", "StoreError", "open_database"]
