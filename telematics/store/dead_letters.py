"""What could not be read, kept with the reason, so that it can be read after the mistake is mended, ours or the tracker's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection

from telematics.store.records import DeadLetter
from telematics.store.repair import LETTER_BYTES, clean_text
from telematics.store.sql import query

AT_ONCE = 500  # letters in memory when all are walked through


class Kept(msgspec.Struct, frozen=True):
    """A dead letter with its number."""

    id: int
    letter: DeadLetter


async def add_dead_letters(connection: AsyncConnection[Any], letters: Sequence[DeadLetter], *, keep: int) -> None:
    """Within the caller's transaction. More than `keep` are never there: the oldest make room."""
    letters = letters[-keep:]
    await connection.execute(
        query("add_dead_letters"),
        {
            "received": [letter.received for letter in letters],
            "protocol": [clean_text(letter.protocol) for letter in letters],
            "address": [clean_text(letter.address) for letter in letters],
            "device_id": [letter.device_id for letter in letters],
            "unique_id": [None if letter.unique_id is None else clean_text(letter.unique_id) for letter in letters],
            "reason": [clean_text(letter.reason) for letter in letters],
            "kind": [clean_text(letter.kind) for letter in letters],
            "context": [letter.context for letter in letters],
            "frame": [letter.frame[:LETTER_BYTES] for letter in letters],
        },
    )
    await connection.execute(query("trim_dead_letters"), {"keep": keep})


async def list_dead_letters(
    connection: AsyncConnection[Any], *, limit: int, before: int | None = None, protocol: str | None = None
) -> list[Kept]:
    """The newest ones first; `before`: older than that number, to turn the page."""
    rows = await connection.execute(query("dead_letters"), {"limit": limit, "before": before, "protocol": protocol})
    return [_kept(row) for row in await rows.fetchall()]


async def all_dead_letters(connection: AsyncConnection[Any], protocol: str | None = None) -> AsyncIterator[Kept]:
    """Every one, the newest first, a page in memory at a time. Those that come meanwhile are left out."""
    before = None
    while page := await list_dead_letters(connection, limit=AT_ONCE, before=before, protocol=protocol):
        for kept in page:
            yield kept
        before = page[-1].id


async def count_dead_letters(connection: AsyncConnection[Any]) -> int:
    row = await (await connection.execute("SELECT count(*) FROM dead_letters")).fetchone()
    return int(row[0]) if row is not None else 0


async def remove_dead_letters(connection: AsyncConnection[Any], ids: Sequence[int]) -> None:
    await connection.execute("DELETE FROM dead_letters WHERE id = ANY (%s)", [list(ids)])


async def note_retry(connection: AsyncConnection[Any], reasons: dict[int, str]) -> None:
    """What was wrong this time."""
    await connection.execute(
        query("note_retry"), {"ids": list(reasons), "reasons": [clean_text(reason)[:500] for reason in reasons.values()]}
    )


def _kept(row: tuple[Any, ...]) -> Kept:
    number, received, protocol, address, device_id, unique_id, reason, kind, context, frame = row
    letter = DeadLetter(
        received=received, protocol=protocol, address=address, reason=reason, frame=bytes(frame), kind=kind, context=context,
        device_id=device_id, unique_id=unique_id,
    )  # fmt: skip
    return Kept(number, letter)
