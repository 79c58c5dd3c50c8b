"""Commands to trackers: Traccar's saved commands, types and sending, and beside them the queue with what became of each.

`POST /api/commands/send` answers 200 when the tracker can be reached now and 202 when the command waits for it; its number leads
to `/api/commands/log/{id}`. Nothing here waits for a tracker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from psycopg.errors import ForeignKeyViolation
from psycopg.types.json import Jsonb
from pydantic import Field

from dashboards import auth, orders, sql
from dashboards.api import answers
from dashboards.api.devices import device_of, devices_of
from dashboards.api.parameters import LARGEST_ID, LARGEST_POSITION_ID, Attributes, Body, Id, Name, Paged, PathId
from dashboards.audited import Author
from dashboards.idempotency import OnceIfNamed
from dashboards.identity import Viewer
from dashboards.orders import CommandOut, CommandRow, SavedOut, SavedRow, TypeOut, Wish, from_command, from_saved, from_type
from dashboards.problems import Problem, not_found
from dashboards.shapes import DeviceRow
from dashboards.state import Shared, State
from telematics.store import audit

router = APIRouter(prefix="/api/commands", tags=["Commands"])
MOST_SAVED = 1_000  # of an account
MOST_DEVICES = 500  # told by one request
COUNTED = 10_000
LONGEST_H = 24 * 366.0
CommandId = Annotated[int, Path(ge=1, le=LARGEST_POSITION_ID)]
CommandState = Literal["queued", "sent", "answered", "failed", "expired", "withdrawn"]


@dataclass(frozen=True, slots=True)
class DeviceNumber:
    """A row of group_device_ids.sql."""

    id: int


class Saved(Body):
    description: Name
    type: Name
    attributes: Attributes = Field(default_factory=dict)
    text_channel: bool = False
    account_id: Id | None = None


class Sending(Body):
    """Either `id`, of a saved command, or `type` and `attributes`."""

    id: Annotated[int, Field(ge=0, le=LARGEST_ID)] = 0
    device_id: Annotated[int, Field(ge=0, le=LARGEST_ID)] = 0
    type: Name | None = None
    attributes: Attributes = Field(default_factory=dict)
    text_channel: bool = False
    when_slow: Annotated[
        bool | None, Field(description="wait until the vehicle stands or is slow; unset: when the engine is to be stopped")
    ] = None
    lasts_hours: Annotated[float, Field(gt=0, le=LONGEST_H)] | None = None


@router.get("", responses=answers.shaped(list[SavedOut]))
async def list_saved(viewer: auth.User, shared: Shared, page: Paged, request: Request) -> Response:
    """Saved commands of the account; administrators get everybody's."""
    total = await sql.value(shared.server.database, "saved_commands_count", **viewer.scope)
    found = await sql.rows(shared.server.database, "saved_commands", SavedRow, id=None, **page.sql, **viewer.scope)
    return await answers.listed(found, from_saved, page.headers(total, request))


@router.post("", responses=answers.shaped(SavedOut))
async def save(new: Saved, author: Author, shared: Shared) -> Response:
    """Keep a command for later. Without accountId in the viewer's own account."""
    orders.check_right(author.viewer, saved=False)
    account = new.account_id or author.viewer.account_id
    if account != author.viewer.account_id and not author.viewer.administrator:
        raise not_found("account")
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        try:
            found = await sql.rows_on(connection, "saved_command_add", SavedRow, account=account, most=MOST_SAVED, **_values(new))
        except ForeignKeyViolation:
            raise not_found("account") from None
        if not found:
            raise Problem(400, f"An account has at most {MOST_SAVED} saved commands", "Remove one that is no longer needed.")
        await author.note(connection, "command.saved", account_id=account, subject=_subject(found[0]), details=_told(found[0]))
    return answers.json(from_saved(found[0]))


@router.get("/types", responses=answers.shaped(list[TypeOut]))
async def types(
    viewer: auth.User,
    shared: Shared,
    device_id: Annotated[int | None, Query(alias="deviceId", ge=1, le=LARGEST_ID)] = None,
    text_channel: Annotated[bool, Query(alias="textChannel", description="by SMS")] = False,
) -> Response:
    """What can be sent to a device by the protocol it reports by; without a device, or to one that never reported, everything."""
    device = None if device_id is None else await device_of(shared, viewer, device_id)
    return answers.json([from_type(known) for known in orders.types_of(shared, device, sms=text_channel)])


@router.get("/send", responses=answers.shaped(list[SavedOut]))
async def sendable(
    viewer: auth.User,
    shared: Shared,
    page: Paged,
    device_id: Annotated[int, Query(alias="deviceId", ge=1, le=LARGEST_ID)],
) -> Response:
    """The saved commands that this device takes."""
    device = await device_of(shared, viewer, device_id)
    scope = {"everything": False, "account_id": device.account_id}
    found = await sql.rows(shared.server.database, "saved_commands", SavedRow, id=None, limit=MOST_SAVED, offset=0, **scope)
    by_sms = {one.name for one in orders.types_of(shared, device, sms=True)}
    by_line = {one.name for one in orders.types_of(shared, device, sms=False)}
    fit = [row for row in found if row.type in (by_sms if row.sms else by_line)]
    return await answers.listed(fit[page.offset : page.offset + page.limit], from_saved)


@router.post("/send", responses=answers.shaped(CommandOut))
async def send(
    sending: Sending,
    author: Author,
    shared: Shared,
    once: OnceIfNamed,
    group_id: Annotated[int | None, Query(alias="groupId", ge=1, le=LARGEST_ID)] = None,
) -> Response:
    """Tell a device, or with `groupId` each device of a group and of those within it (then the answer is a list). A command to
    stop the engine waits until the vehicle is slow unless whenSlow is false. With an Idempotency-Key it is done once, however
    often it is asked for."""
    orders.check_right(author.viewer, saved=bool(sending.id))
    wish = await _wish(shared, author.viewer, sending)
    devices = await _devices(shared, author.viewer, sending, group_id)
    orders.check_devices(shared, devices, wish)
    reach = shared.server.intake.reach
    at_once = not (wish.sms or wish.when_slow) and all(reach.takes_commands(device.id) for device in devices)
    status = 200 if at_once else 202
    pool = shared.server.database.pool
    async with pool.connection(timeout=sql.WAIT_S) if once is None else once.transaction() as connection:
        rows = await orders.send(shared, connection, author, devices, wish)
        told = [from_command(row) for row in rows]
        value = told if group_id is not None else told[0]
        if once is not None:
            return await once.keep(connection, value, status)
    answer = answers.json(value)
    answer.status_code = status
    return answer


async def _devices(shared: State, viewer: Viewer, sending: Sending, group_id: int | None) -> list[DeviceRow]:
    if group_id is None:
        if not sending.device_id:
            raise Problem(400, "Which device?", "Give its number as deviceId, or a group's as groupId.")
        return [await device_of(shared, viewer, sending.device_id)]
    found = await sql.rows(
        shared.server.database, "group_device_ids", DeviceNumber, group_id=group_id, limit=MOST_DEVICES + 1, **viewer.scope
    )
    if not found:
        raise not_found("group with devices")
    if len(found) > MOST_DEVICES:
        raise Problem(400, f"The group has more than {MOST_DEVICES} devices", "Send to the groups within it one by one.")
    return await devices_of(shared, viewer, [row.id for row in found])


async def _wish(shared: State, viewer: Viewer, sending: Sending) -> Wish:
    lasts = None if sending.lasts_hours is None else timedelta(hours=sending.lasts_hours)
    if sending.id:
        saved = await orders.saved_of(shared, viewer, sending.id)
        command, sms = orders.wanted(saved.type, saved.parameters), saved.sms
    elif sending.type is None:
        raise Problem(400, "Which command?", "Name one of /api/commands/types as type, or a saved command as id.")
    else:
        command, sms = orders.wanted(sending.type, sending.attributes), sending.text_channel
    when_slow = command.type == "engineStop" if sending.when_slow is None else sending.when_slow
    return Wish(command, sms, when_slow and not sms, sending.id or None, lasts)


@router.get("/log", responses=answers.shaped(list[CommandOut]))
async def log(
    viewer: auth.User,
    shared: Shared,
    page: Paged,
    request: Request,
    device_id: Annotated[int | None, Query(alias="deviceId", ge=1, le=LARGEST_ID)] = None,
    states: Annotated[Sequence[CommandState], Query(alias="state", max_length=len(orders.STATES))] = (),
) -> Response:
    """What was sent and what became of it, the newest first."""
    which = {"device_id": device_id, "states": list(states) or None, **viewer.scope}
    total = await sql.value(shared.server.database, "commands_count", most=COUNTED, **which)
    found = await sql.rows(shared.server.database, "commands", CommandRow, **{**orders.ANY_COMMAND, **which}, **page.sql)
    return await answers.listed(found, from_command, page.headers(total, request))


@router.get("/log/{command_id}", responses=answers.shaped(CommandOut))
async def logged(command_id: CommandId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(from_command(await orders.command_of(shared, viewer, command_id)))


@router.delete("/log/{command_id}", responses=answers.shaped(CommandOut))
async def withdraw(command_id: CommandId, author: Author, shared: Shared) -> Response:
    """Take back what has not been sent yet."""
    orders.check_right(author.viewer, saved=True)
    await orders.withdraw(shared, author, await orders.command_of(shared, author.viewer, command_id))
    return answers.json(from_command(await orders.command_of(shared, author.viewer, command_id)))


@router.get("/{saved_id}", responses=answers.shaped(SavedOut))
async def get_saved(saved_id: PathId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(from_saved(await orders.saved_of(shared, viewer, saved_id)))


@router.put("/{saved_id}", responses=answers.shaped(SavedOut))
async def change_saved(saved_id: PathId, change: Saved, author: Author, shared: Shared) -> Response:
    orders.check_right(author.viewer, saved=False)
    before = await orders.saved_of(shared, author.viewer, saved_id)
    if change.account_id not in (None, before.account_id):
        raise Problem(400, "A saved command stays with its account", "Make a new one there, and remove this one.")
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        found = await sql.rows_on(
            connection, "saved_command_change", SavedRow, id=saved_id, **_values(change), **author.viewer.scope
        )
        if not found:
            raise not_found("command")
        details = audit.changed(_told(before), _told(found[0]))
        await author.note(connection, "command.changed", account_id=before.account_id, subject=_subject(before), details=details)
    return answers.json(from_saved(found[0]))


@router.delete("/{saved_id}", status_code=204, response_class=Response)
async def remove_saved(saved_id: PathId, author: Author, shared: Shared) -> Response:
    """Rules that sent it only tell people from now on."""
    orders.check_right(author.viewer, saved=False)
    row = await orders.saved_of(shared, author.viewer, saved_id)
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        if not await sql.run_on(connection, "saved_command_remove", id=saved_id, **author.viewer.scope):
            raise not_found("command")
        await author.note(connection, "command.removed", account_id=row.account_id, subject=_subject(row), details=_told(row))
    return Response(status_code=204)


def _values(saved: Saved) -> dict[str, Any]:
    command = orders.wanted(saved.type, saved.attributes)
    return {
        "description": saved.description,
        "type": command.type,
        "parameters": Jsonb(command.parameters),
        "sms": saved.text_channel,
    }


def _subject(row: SavedRow) -> str:
    """Of the audit log."""
    return f"saved command {row.id}"


def _told(row: SavedRow) -> dict[str, Any]:
    return {"description": row.description, "type": row.type, "parameters": row.parameters, "sms": row.sms}
