"""`telematics dead-letters`: what could not be read, to be looked at, taken elsewhere, or read again after the decoder was
mended.

`retry` may run beside a server. It decodes each frame with the code of now, lets the same stages judge the reports, and
stores them as late ones on a connection of its own: distances and totals come out right, no event is raised for what is past,
and the state that the server holds in memory (the newest place, the odometer shown) takes no notice until it starts again. It
is meant for old reports: one that is newer than the newest of its device would be stored all the same, and the server would
measure its next one past it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import numpy as np
import psycopg
import typer
from psycopg import AsyncConnection
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from protocols import Codec, Columns, Frame, UnknownProtocol, codec
from telematics.commands.serve import read_settings
from telematics.config import Settings
from telematics.pipeline.stages import Reports, Stages
from telematics.pipeline.state import State
from telematics.store import edition
from telematics.store.database import Database, open_database
from telematics.store.dead_letters import (
    Kept,
    all_dead_letters,
    count_dead_letters,
    list_dead_letters,
    note_retry,
    remove_dead_letters,
)
from telematics.store.errors import StoreError, translate
from telematics.store.records import DeadLetter, Rows
from telematics.store.repair import SET_ASIDE
from telematics.store.sql import query
from telematics.store.writer import ids_beside, store_beside

AT_ONCE = 200  # letters of one transaction
ROWS_AT_ONCE = 50_000  # a letter of 64 KiB holds a few thousand reports; past this the rest waits for the next run

app = typer.Typer(no_args_is_help=True, help="What trackers sent and could not be read.")
Protocol = Annotated[str | None, typer.Option(help="Only those of this protocol.")]


@app.command("list")
def list_() -> None:
    """The newest hundred, with their reasons."""

    async def work(database: Database) -> None:
        async with database.pool.connection() as connection:
            letters, count = await list_dead_letters(connection, limit=100), await count_dead_letters(connection)
        table = Table(title=f"{len(letters)} of {count} dead letters" if count else "no dead letters")
        for heading in ("id", "received", "protocol", "tracker", "from", "reason", "frame"):
            table.add_column(heading, overflow="fold")
        for kept in letters:
            letter = kept.letter
            shown = letter.frame[:24].hex() + ("…" if len(letter.frame) > 24 else "")
            moment = f"{letter.received:%Y-%m-%d %H:%M:%S}"
            table.add_row(str(kept.id), moment, letter.protocol, _tracker(letter), letter.address, letter.reason, shown)
        Console().print(table)

    on_database(work)


@app.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; otherwise standard output.", show_default=False)] = None,
    protocol: Protocol = None,
) -> None:
    """All of them as JSON, one per line, frames in hex: ready to become tests."""

    async def write(database: Database, output: IO[bytes]) -> None:
        async with database.pool.connection() as connection:
            async for kept in all_dead_letters(connection, protocol):
                output.write(msgspec.json.encode(exported(kept)) + b"\n")

    async def work(database: Database) -> None:
        if file is None:
            await write(database, typer.get_binary_stream("stdout"))
            return
        with file.open("wb") as output:
            await write(database, output)

    on_database(work)


@app.command()
def retry(protocol: Protocol = None) -> None:
    """Read all of them again with the code of now. What can be read is stored and leaves the list."""

    async def work(database: Database) -> None:
        async with database.pool.connection() as connection:
            count = await count_dead_letters(connection)
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("reading again", total=count)
            result = await retry_all(database, protocol, advance=lambda letters: progress.advance(task, letters))
        typer.echo(f"{result.read} letters read, {result.stored} positions stored, {result.left} letters left")

    on_database(work)


def exported(kept: Kept) -> dict[str, Any]:
    fields = msgspec.structs.asdict(kept.letter)
    return {"id": kept.id, **fields, "frame": kept.letter.frame.hex()}


@dataclass(slots=True)
class Retried:
    read: int = 0
    stored: int = 0
    left: int = 0


async def retry_all(
    database: Database, protocol: str | None = None, advance: Callable[[int], None] = lambda letters: None
) -> Retried:
    """Every dead letter, the newest first, some hundred to a transaction."""
    result = Retried()
    stages = Stages(database.settings.sanity, database.settings.motion)
    async with await database.connect() as connection:
        devices = await _owners(connection)
        before = None
        while page := await list_dead_letters(connection, limit=AT_ONCE, before=before, protocol=protocol):
            before = page[-1].id
            outcome = Outcome()
            for kept in page:
                outcome.add(kept, read_again(kept.letter, devices, stages))
            result.stored += await _settle(connection, database, outcome)
            result.read += len(outcome.read)
            result.left += len(outcome.reasons)
            advance(len(page))
    return result


@dataclass(slots=True)
class Again:
    """What a letter says now: rows that can be stored, and what is still wrong."""

    rows: list[Rows] = field(default_factory=list)
    reason: str | None = None


@dataclass(slots=True)
class Outcome:
    """Of a page of letters."""

    rows: list[Rows] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    count: int = 0

    def add(self, kept: Kept, again: Again) -> None:
        found = sum(map(len, again.rows))
        if self.count + found > ROWS_AT_ONCE:
            self.reasons[kept.id] = "too much at once: retry again"
            return
        self.rows += again.rows
        self.count += found
        if again.reason is None:
            self.read.append(kept.id)
        else:
            self.reasons[kept.id] = again.reason


Owners = dict[str | int, int]  # unique id, or device id → device id


def read_again(letter: DeadLetter, devices: Owners, stages: Stages) -> Again:
    """Never raises, whatever the bytes."""
    if letter.kind == SET_ASIDE or not letter.protocol:
        return Again(reason=letter.reason)  # not a frame, but JSON that the database refused
    try:
        reader = codec(letter.protocol)
    except UnknownProtocol as error:
        return Again(reason=str(error))
    owner = devices.get(letter.device_id or 0) or devices.get(letter.unique_id or "")
    try:
        if letter.kind:
            frames = [Frame(kind=letter.kind, payload=letter.frame, context=letter.context)]
        else:
            frames, owner = _cut(letter, reader, devices, owner)
        if owner is None:
            return Again(reason=f"its tracker is not among the devices ({_tracker(letter)})")
        return _judged(reader, frames, letter, owner, stages)
    except ValueError as error:
        return Again(reason=str(error))
    except Exception as error:  # a decoder never raises; should this one do so, the letter keeps that as its reason
        return Again(reason=f"the decoder failed: {type(error).__name__}: {error}")


def _cut(letter: DeadLetter, reader: Codec, devices: Owners, owner: int | None) -> tuple[list[Frame], int | None]:
    """The frames in raw bytes of a stream, as a new connection would cut them. Raises ValueError with what is wrong with them."""
    session = reader.session()
    received = session.receive(letter.frame)
    frames, rejects = list(received.frames), list(received.rejects)
    while received.login is not None:
        owner = devices.get(received.login, owner)
        received = session.admit(owner is not None)
        frames += received.frames
        rejects += received.rejects
    if rejects:
        raise ValueError(rejects[0].reason)
    if not frames:
        raise ValueError("not one whole frame")
    return frames, owner


def _judged(reader: Codec, frames: list[Frame], letter: DeadLetter, owner: int, stages: Stages) -> Again:
    decoded = reader.decode(frames)
    columns, count = decoded.columns, len(decoded.columns)
    state = State()  # of nobody: each letter is judged for itself, and against what is stored when it is stored
    state.grow(1)
    state.device_id[0] = owner
    received = np.full(count, np.datetime64(letter.received.replace(tzinfo=None), "ms"))
    outcome = stages.run(Reports(columns, np.zeros(count, "i4"), np.zeros(count, "i2"), received), state, first_id=1)
    wrong = [bad.reason for bad in decoded.unreadable] + [refused.reason for refused in outcome.refused]
    return Again([outcome.rows] if len(outcome.rows) else [], wrong[0] if wrong else None)


async def _settle(connection: AsyncConnection[Any], database: Database, outcome: Outcome) -> int:
    """Store what was read and take its letters off the list, in one transaction."""

    async def letters() -> None:
        await remove_dead_letters(connection, outcome.read)
        if outcome.reasons:
            await note_retry(connection, outcome.reasons)

    if not outcome.rows:
        async with connection.transaction():
            await letters()
        return 0
    rows = _joined(outcome.rows)
    rows.id = np.arange(len(rows), dtype=np.int64) + await ids_beside(connection, len(rows))
    if database.kind.shape == "partitioned":
        await edition.ensure_days(connection, edition.missing_days(rows.columns.time, await edition.existing_days(connection)))
    return len((await store_beside(connection, rows, database.settings, then=letters)).new)


def _joined(parts: list[Rows]) -> Rows:
    arrays = ("id", "device_id", "received", "outlier", "distance_m", "late")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays}
    return Rows(columns=Columns.concat([part.columns for part in parts]), **joined)


async def _owners(connection: AsyncConnection[Any]) -> Owners:
    """All devices: a raw stream may name any."""
    rows = await connection.execute(query("owners"))
    owners: Owners = {}
    for device_id, unique_id in await rows.fetchall():
        owners[device_id] = owners[unique_id] = device_id
    return owners


def _tracker(letter: DeadLetter) -> str:
    return letter.unique_id or (f"device {letter.device_id}" if letter.device_id else "nobody known")


def on_database(work: Callable[[Database], Awaitable[None]]) -> None:
    """Do it on the configured database; what is wrong with that is told in one sentence."""
    settings = read_settings()

    async def run(settings: Settings) -> None:
        async with open_database(settings) as database:
            await work(database)

    try:
        asyncio.run(run(settings))
    except StoreError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except psycopg.Error as error:
        typer.echo(str(translate(error) or error), err=True)
        raise typer.Exit(1) from None
