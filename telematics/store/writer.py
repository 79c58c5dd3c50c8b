"""The one writer of positions: each batch is one transaction, and what `commit` returned is on disk.

    BEGIN, the batch's mark ─ COPY of rows in order ─ late rows ─ events, outbox ─ dead letters ─ COMMIT

When the connection is lost at COMMIT, nobody knows whether it went through. Each transaction writes its batch's mark, a
random UUID, into the only row of `last_batch`; whoever calls `commit` again with the same batch gets its first answer if the
mark is there. (pg_xact_status would do but for a crash: a transaction whose log had not reached the disk gives its number to
another one after recovery, and that one's commit would be taken for ours.) The mark can be trusted once the advisory lock of
the writer is ours again, since then the lost connection's transaction has ended.

The advisory lock also keeps a second server away from the database. It belongs to the connection: through a pooler in
transaction mode, such as PgBouncer's, the server can't work.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4

import msgspec
import numpy as np
import psycopg
import structlog
from psycopg import AsyncConnection, errors

from telematics.config import Settings
from telematics.store import edition, late, positions
from telematics.store.copy import copy_in
from telematics.store.database import Database
from telematics.store.dead_letters import add_dead_letters
from telematics.store.errors import StoreBusy, StoreRefused, translate
from telematics.store.proximities import save_pairs
from telematics.store.records import Batch, Committed, Event, Rows
from telematics.store.repair import Repaired, clean_json, clean_text, repair
from telematics.store.sql import query

log = structlog.get_logger(__name__)

LOCK = 0x7E1E_0002  # the advisory lock of the writer
LATE_LOCK = 0x7E1E_0003  # held to the end of a transaction that measures chains anew: retried dead letters do that too
COMMIT_S = 60  # for one batch; a tracker waits a few minutes for its acknowledgement before it sends again
CUT_S = 5  # for psycopg to notice that its socket was shut
OPEN_S = 15  # how long the connection of a server that was just killed may hold the lock
IDS_AT_ONCE = 100_000  # the increment of the sequence position_ids
TRIES = 12  # a batch meets each cause of another try once or twice
PARTITION_PAUSE_S = 60  # after a day's partition could not be made; its rows go to the default one meanwhile

# Every query here is served by an index and lives in a few rows of each partition; where statistics lag behind, the planner
# would rather read all of them.
SESSION = f"""
SET statement_timeout = '{COMMIT_S - 5}s';
SET idle_in_transaction_session_timeout = '{COMMIT_S}s';
SET lock_timeout = '20s';
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_bitmapscan = off;
SET enable_material = off;
SET jit = off;
SET synchronous_commit = on;
"""

Result = TypeVar("Result")


@dataclass(slots=True)
class _Doubt:
    """A batch whose COMMIT was sent and not answered."""

    batch: Batch
    mark: UUID
    committed: Committed


class Writer:
    """Commits batches, one at a time. `async with Writer(database, settings) as writer` opens it and gives back the lock."""

    def __init__(self, database: Database, settings: Settings | None = None) -> None:
        self._database = database
        self._settings = settings or database.settings
        self._connection: AsyncConnection[Any] | None = None
        self._backend: int | None = None  # pid of our connection's process in the database, also after it was lost
        self._opened = False
        self._doubt: _Doubt | None = None
        self._days: set[date] = set()
        self._no_partitions_before = 0.0
        self._next_id, self._last_id = 1, 0  # the block at hand is empty
        self._using = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def open(self) -> None:
        """Raises StoreRefused when another server writes to this database."""
        async with self._using:
            await self._within(self._open())

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def commit(self, batch: Batch) -> Committed:
        """Store the batch. Raises StoreBusy when the database is down or slow; then call again with the same batch, which
        never stores it twice."""
        async with self._using:
            return await self._within(self._commit(batch))

    async def next_ids(self, count: int) -> int:
        """The first of so many ids that follow each other and were never given before."""
        while self._last_id - self._next_id + 1 < count:
            async with self._using:
                await self._within(self._take_ids(count))
        first = self._next_id
        self._next_id += count
        return first

    async def _within(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The work's result in time, or StoreBusy. psycopg, when it is cancelled, waits for the server to agree; a server
        that hangs never does, so the socket is shut under it."""
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait([task], timeout=COMMIT_S)
            if not done:
                raise StoreBusy(f"the database has not answered for {COMMIT_S} s")
            return task.result()
        except psycopg.Error as error:
            await self._drop()
            raise translate(error) or error from error
        except BaseException:  # timeout and cancellation among them: what the connection is doing now, nobody knows
            if not self._cut():
                task.cancel()
            await asyncio.wait([task], timeout=CUT_S)
            if not task.done():
                task.cancel()
            await self._drop()
            raise

    def _cut(self) -> bool:
        """Shut the socket, so that whoever waits for it learns that nothing will come. False: there is none."""
        with suppress(psycopg.Error, OSError):
            if self._connection is not None and not self._connection.closed:
                with socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
                return True
        return False

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                await connection.close()

    async def _open(self) -> None:
        if self._connection is not None and not self._connection.closed:
            return
        connection = await self._database.connect()
        try:
            await connection.execute(SESSION.encode())
            await self._take_lock(connection)
            self._backend = connection.info.backend_pid
            if self._database.kind.shape == "partitioned":
                self._days = await edition.existing_days(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection, self._opened = connection, True

    async def _take_lock(self, connection: AsyncConnection[Any]) -> None:
        until = time.monotonic() + OPEN_S
        while not (await _row(connection, "SELECT pg_try_advisory_lock(%s)", LOCK))[0]:
            if self._backend is not None:  # the process behind our lost connection has not noticed yet
                await connection.execute(query("end_lost_writer"), {"pid": self._backend, "lock": LOCK})
            if time.monotonic() > until:
                raise await self._locked_out(connection)
            await asyncio.sleep(0.2)

    async def _locked_out(self, connection: AsyncConnection[Any]) -> StoreBusy | StoreRefused:
        holder = await (await connection.execute(query("writer"), {"lock": LOCK})).fetchone()
        who = (
            f"process {holder[0]} from {holder[1]}, since {holder[2]:%Y-%m-%d %H:%M} UTC"
            if holder is not None
            else "already gone"
        )
        if self._opened:
            return StoreBusy(f"the database still holds a lost connection open ({who})")
        return StoreRefused(
            f"another telematics server writes to this database ({who}): stop one of them, or give this one another database"
        )

    async def _take_ids(self, count: int) -> None:
        await self._open()
        assert self._connection is not None
        blocks = -(-count // IDS_AT_ONCE)
        while True:
            rows = await self._connection.execute("SELECT nextval('position_ids') FROM generate_series(1, %s)", [blocks])
            ends = [row[0] for row in await rows.fetchall()]
            if ends[-1] - ends[0] == (blocks - 1) * IDS_AT_ONCE:  # nobody came between
                self._next_id, self._last_id = ends[0] - IDS_AT_ONCE + 1, ends[-1]
                return

    async def _commit(self, batch: Batch) -> Committed:
        await self._open()
        assert self._connection is not None
        doubt, self._doubt = self._doubt, None
        if (
            doubt is not None
            and (await _row(self._connection, "SELECT mark FROM last_batch"))[0] == doubt.mark
            and doubt.batch is batch
        ):
            return doubt.committed
        await self._ensure_days(batch)
        return await self._store(batch)

    async def _store(self, batch: Batch) -> Committed:
        """Until it is stored: each refusal that says what to do differently is followed."""
        connection = self._connection
        assert connection is not None
        repaired = Repaired(batch, None)
        careful, repairs = False, 0
        for _ in range(TRIES):
            try:
                return await self._transaction(connection, batch, repaired, careful)
            except errors.UniqueViolation:
                careful = True  # rows said to be in order are there already: ask first which
            except (errors.DataError, errors.ProgramLimitExceeded, errors.StatementTooComplex) as error:
                repairs += 1
                if repairs > 2:
                    raise
                log.warning("a batch holds what can't be stored; the rest of it is", reason=str(error).partition("\n")[0])
                repaired = repair(batch, strip=repairs == 2)
            except (errors.ForeignKeyViolation, errors.DeadlockDetected, errors.SerializationFailure) as error:
                log.info("a batch is stored once more", reason=str(error).partition("\n")[0])
            await connection.execute("ROLLBACK")
        raise StoreBusy("the database refuses a batch again and again")

    async def _transaction(self, connection: AsyncConnection[Any], batch: Batch, repaired: Repaired, careful: bool) -> Committed:
        mark, given = uuid4(), repaired.batch
        begin = f"BEGIN; UPDATE last_batch SET mark = '{mark}'"  # noqa: S608 # a UUID of ours; one round trip, so no parameter
        await connection.execute(begin.encode())
        committed = await self._positions(connection, given.rows, careful)
        if given.events:
            committed = replace(committed, event_ids=await add_events(connection, given.events))
        if given.pairs:
            await save_pairs(connection, given.pairs)
        if given.dead_letters:
            await add_dead_letters(connection, given.dead_letters, keep=self._settings.limits.dead_letters)
        committed = repaired.in_places_of_original(committed)
        self._doubt = _Doubt(batch, mark, committed)
        await connection.execute("COMMIT")
        self._doubt = None
        return committed

    async def _positions(self, connection: AsyncConnection[Any], rows: Rows, careful: bool) -> Committed:
        late_places = np.flatnonzero(rows.late)
        places = np.flatnonzero(~rows.late) if len(late_places) else np.arange(len(rows))
        ordered = rows.take(places) if len(late_places) else rows
        again = np.zeros(0, np.int64)
        if careful and len(ordered):
            known, _ = await late.stored(connection, ordered.device_id, ordered.columns.time)
            new = ~known & late.first_of_each(ordered.device_id, ordered.columns.time)
            again, ordered = places[~new].astype(np.int64), ordered.take(np.flatnonzero(new))
        if len(ordered):
            await copy_in(connection, positions.COPY, positions.buffer(ordered))
        if not len(late_places):
            return Committed(np.zeros(0, np.int64), {}, 0, stored_before=again)
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [LATE_LOCK])
        settled = await late.store_late(connection, rows.take(late_places), self._settings.sanity)
        return Committed(late_places[settled.new].astype(np.int64), settled.distance, settled.repeats, stored_before=again)

    async def _ensure_days(self, batch: Batch) -> None:
        """Partitions for the days of the batch, in transactions of their own. Where that fails the default partition takes
        the rows."""
        if self._database.kind.shape != "partitioned" or time.monotonic() < self._no_partitions_before:
            return
        times = [batch.rows.columns.time.astype("M8[ms]"), late.times(event.time for event in batch.events)]
        missing = edition.missing_days(np.concatenate(times), self._days)
        if not missing:
            return
        assert self._connection is not None
        try:
            await edition.ensure_days(self._connection, missing)
            self._days |= missing
        except (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected) as error:
            self._no_partitions_before = time.monotonic() + PARTITION_PAUSE_S
            log.warning("no partition could be made for a day yet", reason=str(error).partition("\n")[0])


async def add_events(connection: AsyncConnection[Any], events: list[Event]) -> list[int | None]:
    """Store them within the caller's transaction, with their outbox rows; the id of each new one, None for those that were
    there."""
    texts = [clean_text(event.subject) for event in events]
    added = await connection.execute(
        query("add_events"),
        {
            "device_ids": [event.device_id for event in events],
            "times": [event.time for event in events],
            "types": [event.type for event in events],
            "subjects": texts,
            "position_ids": [event.position_id for event in events],
            "attributes": [
                msgspec.json.encode(clean_json(event.attributes)).decode() if event.attributes else None for event in events
            ],
        },
    )
    ids = {tuple(key): event_id for event_id, *key in await added.fetchall()}
    return [ids.pop((event.device_id, event.time, event.type, text), None) for event, text in zip(events, texts, strict=True)]


async def _row(connection: AsyncConnection[Any], statement: str, *parameters: object) -> tuple[Any, ...]:
    row = await (await connection.execute(statement.encode(), parameters)).fetchone()
    assert row is not None
    return tuple(row)


async def store_beside(
    connection: AsyncConnection[Any], rows: Rows, settings: Settings, then: Callable[[], Awaitable[None]]
) -> late.Settled:
    """Store rows on a connection of the caller's while a server may be writing: all of them by the late path, and `then` in
    the same transaction. Ids for them come from `ids_beside`."""
    for attempt in range(TRIES):
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", [LATE_LOCK])
                settled = await late.store_late(connection, rows, settings.sanity)
                await then()
            return settled
        except (
            errors.UniqueViolation,
            errors.DeadlockDetected,
            errors.ForeignKeyViolation,
        ):  # the server was there first: look again
            if attempt == TRIES - 1:
                raise
    raise AssertionError("the last attempt raises or returns")


async def ids_beside(connection: AsyncConnection[Any], count: int) -> int:
    """The first of up to IDS_AT_ONCE ids that nobody else gets. They are above those the server gives out now, which only
    means that a server that crashes meanwhile looks at these rows again."""
    if count > IDS_AT_ONCE:
        raise ValueError(f"{count} ids at once, {IDS_AT_ONCE} is the most")
    return int((await _row(connection, "SELECT nextval('position_ids')"))[0]) - IDS_AT_ONCE + 1
