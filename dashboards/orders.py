"""Commands as pages and API hand them to the queue: who may send which, to what, and what it looks like afterwards.

Reasons of commands are short English ("offline", "gateway: refused"): the pages translate the part before the colon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

import protocols
from dashboards import sql
from dashboards.audited import Actor
from dashboards.identity import Viewer
from dashboards.problems import Problem, not_found
from dashboards.shapes import DeviceRow, Shape, instant
from dashboards.state import State
from protocols import CannotSend, Command, WrongParameter
from protocols.commands import BY_NAME, TYPES, CommandType, checked
from telematics.downlink.service import sms_text
from telematics.store import commands as store
from telematics.store.commands import NewCommand
from telematics.store.database import Database

ANY_COMMAND: dict[str, Any] = dict.fromkeys(("ids", "before", "device_id", "states"))  # what commands.sql takes, none asked for
STATES = ("queued", "sent", "answered", "failed", "expired", "withdrawn")
REASONS = (
    "offline", "not slow", "superseded", "moved", "cannot be sent", "refused by the tracker", "no answer to", "no phone number",
    "not configured", "not paid for", "gateway", "may have been sent",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SavedRow:
    """A row of saved_commands.sql."""

    id: int
    account_id: int
    description: str
    type: str
    parameters: dict[str, Any]
    sms: bool


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A row of commands.sql."""

    id: int
    account_id: int
    device_id: int
    device_name: str
    user_id: int | None
    user_name: str
    rule_id: int | None
    rule_name: str
    saved_id: int | None
    description: str
    type: str
    parameters: dict[str, Any]
    sms: bool
    when_slow: bool
    state: str
    awaits: bool
    reason: str | None
    answer: str | None
    tries: int
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None


class SavedOut(Shape, frozen=True):
    id: int
    device_id: int
    description: str
    type: str
    text_channel: bool
    attributes: dict[str, Any]
    account_id: int  # ours


class CommandOut(Shape, frozen=True):
    """Traccar's, and what became of it."""

    id: int
    device_id: int
    description: str
    type: str
    text_channel: bool
    attributes: dict[str, Any]
    account_id: int  # ours, from here on
    device_name: str
    user_id: int | None
    user_name: str
    rule_id: int | None
    rule_name: str
    when_slow: bool
    state: str
    awaits: bool
    reason: str | None
    answer: str | None
    tries: int
    created_at: str
    expires_at: str
    sent_at: str | None
    answered_at: str | None


class ParameterOut(Shape, frozen=True):
    name: str
    kind: str
    title: str
    required: bool
    default: Any
    unit: str
    least: float
    most: float
    choices: list[str]


class TypeOut(Shape, frozen=True):
    type: str
    title: str  # ours, from here on
    dangerous: bool
    parameters: list[ParameterOut]


def from_saved(row: SavedRow) -> SavedOut:
    return SavedOut(row.id, 0, row.description, row.type, row.sms, row.parameters, row.account_id)


def from_command(row: CommandRow) -> CommandOut:
    return CommandOut(
        id=row.id,
        device_id=row.device_id,
        description=row.description,
        type=row.type,
        text_channel=row.sms,
        attributes=row.parameters,
        account_id=row.account_id,
        device_name=row.device_name,
        user_id=row.user_id,
        user_name=row.user_name,
        rule_id=row.rule_id,
        rule_name=row.rule_name,
        when_slow=row.when_slow,
        state=row.state,
        awaits=row.awaits,
        reason=row.reason,
        answer=row.answer,
        tries=row.tries,
        created_at=instant(row.created_at),
        expires_at=instant(row.expires_at),
        sent_at=None if row.sent_at is None else instant(row.sent_at),
        answered_at=None if row.answered_at is None else instant(row.answered_at),
    )


def from_type(known: CommandType) -> TypeOut:
    parameters = [
        ParameterOut(
            one.name, one.kind, one.title, one.default is None, one.default, one.unit, one.least, one.most, list(one.choices)
        )
        for one in known.parameters
    ]
    return TypeOut(known.name, known.title, known.dangerous, parameters)


def types_of(shared: State, device: DeviceRow | None, *, sms: bool) -> list[CommandType]:
    """What can be said to the device by the protocol it reports by; to one that never reported, whatever there is."""
    name = "" if device is None else _protocol(shared, device)
    if sms and device is not None:
        return [one for one in TYPES if _can_be_texted(name, one)]
    if not name:
        return list(TYPES)
    return [one for one in TYPES if one.name in protocols.codec(name).commands]


def _protocol(shared: State, device: DeviceRow) -> str:
    """By which it reports; empty: it never did."""
    known = shared.server.devices.get(device.id)
    return "" if known is None else shared.server.protocol_of(known)


def _can_be_texted(protocol: str, kind: CommandType) -> bool:
    sample = {"integer": 1, "number": 1, "text": "1", "yes": True, "choice": "", "zone": "+00:00"}
    parameters = {one.name: max(one.least, 1) if one.kind == "integer" else sample[one.kind] for one in kind.parameters}
    try:
        sms_text(protocol, Command(kind.name, parameters), "")
    except CannotSend:
        return False
    return True


def wanted(kind: str, parameters: Mapping[str, Any]) -> Command:
    """Raises Problem 400 that says which parameter is wrong, and how."""
    try:
        return checked(kind, parameters)
    except WrongParameter as error:
        raise Problem(400, "This command can't be sent", f"{error}.") from None


def check_right(viewer: Viewer, *, saved: bool) -> None:
    """Raises Problem 403 for who may not send commands, or only saved ones."""
    if viewer.readonly or viewer.commands == "none":
        raise Problem(403, "You may not send commands", "Ask an administrator for the right to send commands.")
    if viewer.commands == "saved" and not saved:
        raise Problem(
            403, "You may send saved commands only", "Choose one of them, or ask an administrator for the right to more."
        )


async def saved_of(shared: State, viewer: Viewer, saved_id: int) -> SavedRow:
    """Raises Problem 404 when there is none, or it isn't the viewer's."""
    row = await sql.row(shared.server.database, "saved_commands", SavedRow, id=saved_id, limit=1, offset=0, **viewer.scope)
    if row is None:
        raise not_found("command")
    return row


async def command_of(shared: State, viewer: Viewer, command_id: int) -> CommandRow:
    """Raises Problem 404 when there is none, or it isn't the viewer's."""
    rows = await commands_of(shared.server.database, viewer, [command_id])
    if not rows:
        raise not_found("command")
    return rows[0]


async def commands_of(database: Database, viewer: Viewer, ids: Sequence[int]) -> list[CommandRow]:
    """Those of these that the viewer may see, the newest first."""
    return await sql.rows(database, "commands", CommandRow, **_only(ids), **viewer.scope)


def _only(ids: Sequence[int]) -> dict[str, Any]:
    return {**ANY_COMMAND, "ids": list(ids), "limit": len(ids), "offset": 0}


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants trackers to be told."""

    command: Command
    sms: bool = False
    when_slow: bool = False
    saved_id: int | None = None
    lasts: timedelta | None = None  # None: as in the settings


async def send(
    shared: State, connection: AsyncConnection[Any], actor: Actor, devices: Sequence[DeviceRow], wish: Wish
) -> list[CommandRow]:
    """Queue it for each of them, and tell the audit log, in the caller's transaction. Raises Problem 409 when too many commands
    wait for one; then nobody is told anything."""
    now = datetime.now(UTC)
    lasts = wish.lasts or timedelta(hours=shared.server.settings.commands.lasts_h)
    numbers: list[int] = []
    for device in devices:
        new = NewCommand(
            device.id, wish.command.type, wish.command.parameters, lasts, wish.sms, wish.when_slow,
            user_id=actor.viewer.user_id, saved_id=wish.saved_id,
        )  # fmt: skip
        number = await store.add(connection, new, now)
        if number is None:
            advice = "Wait until some of them are answered, or withdraw them."
            raise Problem(409, f"{store.MOST_WAITING} commands wait for {device.name} already", advice)
        details = {"type": wish.command.type, "parameters": wish.command.parameters, "command": number, "sms": wish.sms}
        await actor.note(
            connection, "command.queued", account_id=device.account_id, subject=f"device {device.id}", details=details
        )
        numbers.append(number)
    return (await sql.rows_on(connection, "commands", CommandRow, **_only(numbers), **actor.viewer.scope))[::-1]


def check_devices(shared: State, devices: Sequence[DeviceRow], wish: Wish) -> None:
    """Raises Problem 400 when one of them can't be told so."""
    for device in devices:
        _check_device(shared, device, wish)


def _check_device(shared: State, device: DeviceRow, wish: Wish) -> None:
    if device.blocked is not None or device.disabled:
        raise Problem(400, f"{device.name} is {'blocked' if device.blocked else 'disabled'}", "Unblock or enable it first.")
    if wish.sms and shared.server.alerts.channels["sms"].configured is not None:
        raise Problem(400, "This server sends no SMS", "Ask its administrator to set [sms] url.")
    if wish.sms and not device.phone:
        raise Problem(400, f"{device.name} has no phone number", "Write the number of its SIM card into the device's phone.")
    if wish.command.type not in {one.name for one in types_of(shared, device, sms=wish.sms)}:
        name = _protocol(shared, device) or "unknown"
        how = f"by SMS to {name} trackers" if wish.sms else f"to {name} trackers"
        advice = f"{device.name} can't be told so. Ask /api/commands/types for what can be sent to it."
        raise Problem(400, f"{BY_NAME[wish.command.type].title}: not {how}", advice)
    if wish.sms:
        try:
            sms_text(_protocol(shared, device), wish.command, "")
        except CannotSend as error:
            raise Problem(400, "This command can't be sent by SMS", f"{error}.") from None


async def withdraw(shared: State, actor: Actor, row: CommandRow) -> None:
    """What was withdrawn, or has expired, will not be sent anyway. Raises Problem 409 when it has left already."""
    if row.state in ("withdrawn", "expired"):
        return
    with shared.server.downlink.held(row.id) as here:
        async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
            if not here or not await store.withdraw(connection, row.id):
                raise Problem(409, "It has been sent already", "What has left can't be taken back.")
            await actor.note(
                connection,
                "command.withdrawn",
                account_id=row.account_id,
                subject=f"device {row.device_id}",
                details={"type": row.type, "command": row.id},
            )
