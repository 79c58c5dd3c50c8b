"""Commands to trackers and what became of them. Each function works within its caller's transaction.

queued → sent → answered
   │       ├──→ failed       the tracker says no, or nothing however often it is asked
   ├───────┴──→ expired
   └──→ withdrawn
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from telematics.store.repair import clean_json, clean_text
from telematics.store.sql import query

MOST_WAITING = 50  # of a device: nobody has more to say to a tracker that is away
LONGEST_TEXT = 4_000  # of an answer
READ_AT_ONCE = 500  # rows made before others get a turn


@dataclass(frozen=True, slots=True)
class NewCommand:
    """To be queued. `parameters` are checked (`protocols.commands.checked`)."""

    device_id: int
    type: str
    parameters: Mapping[str, Any]
    lasts: timedelta
    sms: bool = False
    when_slow: bool = False
    user_id: int | None = None
    rule_id: int | None = None
    saved_id: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of commands_waiting.sql."""

    id: int
    account_id: int
    device_id: int
    type: str
    parameters: dict[str, Any]
    sms: bool
    when_slow: bool
    state: Literal["queued", "sent"]
    tries: int
    sent_at: datetime | None
    expires_at: datetime
    phone: str  # of the tracker; empty: none
    reason: str | None  # why it waits, as far as that is written down


@dataclass(frozen=True, slots=True)
class Left:
    """A command that has left; `awaits`: the tracker answers, and until it does the command isn't done."""

    id: int
    at: datetime
    tries: int  # this one among them
    awaits: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a command in the end."""

    id: int
    state: Literal["answered", "failed"]
    reason: str | None
    answer: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Whose:
    """A row of command_accounts.sql."""

    id: int
    account_id: int
    device_id: int


async def add(connection: AsyncConnection[Any], new: NewCommand, now: datetime) -> int | None:
    """Its number; None: MOST_WAITING wait already, or the device is gone. Whoever listens to `changes` takes it from there."""
    row = await connection.execute(
        query("add_command"),
        {
            "device_id": new.device_id,
            "user_id": new.user_id,
            "rule_id": new.rule_id,
            "saved_id": new.saved_id,
            "type": new.type,
            "parameters": Jsonb(clean_json(dict(new.parameters))),
            "sms": new.sms,
            "when_slow": new.when_slow,
            "expires_at": now + new.lasts,
            "most": MOST_WAITING,
        },
    )
    found = await row.fetchone()
    return None if found is None else int(found[0])


async def add_saved(
    connection: AsyncConnection[Any], saved_id: int, device_id: int, *, rule_id: int, lasts: timedelta, now: datetime
) -> tuple[int, NewCommand] | None:
    """A saved command, sent by a rule of the same account, with its number. None: it is gone, or MOST_WAITING wait already."""
    cursor = await connection.execute(query("saved_command"), {"id": saved_id, "device_id": device_id})
    found = await cursor.fetchone()
    if found is None:
        return None
    kind, parameters, sms = found
    when_slow = kind == "engineStop" and not sms  # nobody looks at the vehicle when a rule acts
    new = NewCommand(device_id, kind, parameters, lasts, sms, when_slow, rule_id=rule_id, saved_id=saved_id)
    number = await add(connection, new, now)
    return None if number is None else (number, new)


async def waiting(connection: AsyncConnection[Any], ids: Sequence[int] | None = None) -> list[Waiting]:
    """Those of these that wait, or all that do (None)."""
    async with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(query("commands_waiting"), {"ids": None if ids is None else list(ids)})
        found: list[Waiting] = []
        while some := await cursor.fetchmany(READ_AT_ONCE):
            found += some
            await asyncio.sleep(0)
        return found


async def whose(connection: AsyncConnection[Any], ids: Sequence[int]) -> list[Whose]:
    async with connection.cursor(row_factory=class_row(Whose)) as cursor:
        await cursor.execute(query("command_accounts"), {"ids": list(ids)})
        return await cursor.fetchall()


async def sent(connection: AsyncConnection[Any], left: Sequence[Left]) -> None:
    """Each command once. What was taken back or expired while it left keeps that it left."""
    await connection.execute(
        query("command_sent"),
        {
            "ids": [one.id for one in left],
            "at": [one.at for one in left],
            "tries": [one.tries for one in left],
            "awaits": [one.awaits for one in left],
        },
    )


async def ended(connection: AsyncConnection[Any], ends: Sequence[Ended]) -> set[int]:
    """Each command once. Those of which it was news."""
    rows = await connection.execute(
        query("command_ended"),
        {
            "ids": [one.id for one in ends],
            "states": [one.state for one in ends],
            "reasons": [one.reason for one in ends],
            "answers": [None if one.answer is None else clean_text(one.answer)[:LONGEST_TEXT] for one in ends],
            "answered_at": [one.at for one in ends],
        },
    )
    return {int(row[0]) for row in await rows.fetchall()}


async def wait(connection: AsyncConnection[Any], reasons: Mapping[int, str]) -> list[Whose]:
    """Why these wait, by number. Those of which it was news."""
    async with connection.cursor(row_factory=class_row(Whose)) as cursor:
        await cursor.execute(query("command_waits"), {"ids": list(reasons), "reasons": list(reasons.values())})
        return await cursor.fetchall()


async def withdraw(connection: AsyncConnection[Any], command_id: int) -> bool:
    """Whether it could still be taken back: what has left has left."""
    row = await connection.execute(query("withdraw_command"), {"id": command_id})
    return await row.fetchone() is not None


async def expire(connection: AsyncConnection[Any], now: datetime) -> int:
    """How many are too old now."""
    return len(await (await connection.execute(query("expire_commands"), {"now": now})).fetchall())
