"""Devices: the trackers, and what they are on."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from psycopg.errors import ForeignKeyViolation, UniqueViolation
from psycopg.types.json import Jsonb
from pydantic import AfterValidator, Field

from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.parameters import LARGEST_ID, Attributes, Body, DeviceId, Id, Ids, Name, Note, Paged
from dashboards.identity import Viewer
from dashboards.live import joined
from dashboards.problems import Problem, not_found
from dashboards.shapes import DeviceOut, DeviceRow, from_device
from dashboards.state import Shared, State

router = APIRouter(prefix="/api/devices", tags=["Devices"])
FIELDS = ("name", "unique_id", "phone", "model", "contact", "category", "disabled", "group_id", "attributes")


def _with_a_limit(attributes: dict[str, Any]) -> dict[str, Any]:
    limit = attributes.get("speedLimit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit <= 1000):
        raise ValueError("speedLimit is a number of km/h, more than 0")
    return attributes


DeviceAttributes = Annotated[Attributes, AfterValidator(_with_a_limit)]


class DeviceChange(Body):
    """Fields that aren't sent stay as they are."""

    name: Name | None = None
    unique_id: Name | None = None
    phone: Note | None = None
    model: Note | None = None
    contact: Note | None = None
    category: Note | None = None
    disabled: bool | None = None
    group_id: Annotated[int, Field(ge=0, le=LARGEST_ID)] | None = None  # 0: none
    attributes: DeviceAttributes | None = None
    account_id: Id | None = None


class NewDevice(DeviceChange):
    name: Name
    unique_id: Name


@router.get("", responses=answers.shaped(list[DeviceOut]))
async def list_devices(
    viewer: auth.User,
    shared: Shared,
    page: Paged,
    request: Request,
    ids: Annotated[Ids, Query(alias="id")] = (),
    unique_ids: Annotated[Sequence[Name], Query(alias="uniqueId", max_length=1000)] = (),
    with_blocked: Annotated[bool, Query(alias="withBlocked", description="for lists where trackers are managed")] = False,
) -> Response:
    """The devices that the viewer may see. Blocked ones are left out unless they are asked for."""
    which: dict[str, Any] = {"ids": None, "unique_ids": None, "with_blocked": with_blocked, **viewer.scope}
    if ids or unique_ids:
        which |= {"ids": list(ids), "unique_ids": list(unique_ids)}
    total = await sql.value(shared.server.database, "devices_count", **which)
    rows = await sql.rows(shared.server.database, "devices", DeviceRow, **which, **page.sql)
    return answers.raw(joined(await shared.live.device_rows(rows)), page.headers(total, request))


@router.post("", responses=answers.shaped(DeviceOut))
async def add_device(new: NewDevice, viewer: auth.Editor, shared: Shared) -> Response:
    """Add a tracker. What it sends is taken from now on."""
    return answers.json(shape(shared, await create(shared, viewer, new)))


@router.get("/{device_id}", responses=answers.shaped(DeviceOut))
async def get_device(device_id: DeviceId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(shape(shared, await device_of(shared, viewer, device_id, with_blocked=True)))


@router.put("/{device_id}", responses=answers.shaped(DeviceOut))
async def change_device(device_id: DeviceId, change: DeviceChange, viewer: auth.Editor, shared: Shared) -> Response:
    row = await device_of(shared, viewer, device_id, with_blocked=True)
    given = {name: getattr(change, name) for name in change.model_fields_set}
    new_account_id = _account_for(viewer, change.account_id) if change.account_id else row.account_id
    values = {name: given.get(name, getattr(row, name)) for name in FIELDS}
    if new_account_id != row.account_id and values["group_id"] == row.group_id:
        values["group_id"] = None  # the group stays with its account
    for name in ("name", "unique_id", "disabled", "attributes"):  # these can't be emptied
        values[name] = getattr(row, name) if values[name] is None else values[name]
    saved = await _stored(shared, viewer, "device_change", values, id=device_id, new_account_id=new_account_id, **viewer.scope)
    return answers.json(shape(shared, saved))


@router.delete("/{device_id}", status_code=204, response_class=Response)
async def remove_device(device_id: DeviceId, viewer: auth.Editor, shared: Shared) -> Response:
    """Its tracker counts as unknown from now on."""
    if not await sql.run(shared.server.database, "device_remove", id=device_id, **viewer.scope):
        raise not_found("device")
    await _refresh(shared, device_id)
    return Response(status_code=204)


async def create(shared: State, viewer: Viewer, new: NewDevice) -> DeviceRow:
    """Raises Problem 400 when the tracker is somebody's already."""
    values = {name: getattr(new, name) for name in FIELDS}
    values["disabled"] = bool(new.disabled)
    values["attributes"] = new.attributes or {}
    account_id = _account_for(viewer, new.account_id)
    row = await _stored(shared, viewer, "device_add", values, account_id=account_id)
    await sql.run(shared.server.database, "unknown_tracker_remove", unique_id=row.unique_id, protocol=None)
    return row


async def device_of(shared: State, viewer: Viewer, device_id: int, *, with_blocked: bool = False) -> DeviceRow:
    """Raises Problem 404 when there is no such device, it isn't the viewer's, or it is blocked."""
    return (await devices_of(shared, viewer, [device_id], with_blocked=with_blocked))[0]


async def devices_of(shared: State, viewer: Viewer, device_ids: Sequence[int], *, with_blocked: bool = False) -> list[DeviceRow]:
    """All of them, in the order asked for, without those that are blocked. Raises Problem 404 when one is missing, or isn't the
    viewer's, and when none is left."""
    ids = list(dict.fromkeys(device_ids))
    rows = await sql.rows(
        shared.server.database,
        "devices",
        DeviceRow,
        ids=ids,
        unique_ids=None,
        with_blocked=True,
        limit=len(ids),
        offset=0,
        **viewer.scope,
    )
    found = {row.id: row for row in rows}
    if len(found) < len(ids):
        raise not_found("device")
    shown = [found[device_id] for device_id in ids if with_blocked or found[device_id].blocked is None]
    if ids and not shown:
        raise Problem(
            404,
            "The tracker is blocked",
            "It is left out of maps, lists and reports. GET /api/billing/trackers says why, and what it costs to unblock it.",
        )
    return shown


def shape(shared: State, row: DeviceRow) -> DeviceOut:
    return from_device(row, shared.server.status(row.id))


def _account_for(viewer: Viewer, account_id: int | None) -> int:
    if account_id is None or account_id == viewer.account_id:
        return viewer.account_id
    if not viewer.administrator:
        raise not_found("account")
    return account_id


async def _stored(shared: State, viewer: Viewer, query: str, values: dict[str, Any], **more: Any) -> DeviceRow:
    values = {**values, "group_id": values["group_id"] or None, "attributes": Jsonb(values["attributes"])}
    try:
        row = await sql.row(shared.server.database, query, DeviceRow, **values, **more)
    except UniqueViolation:
        raise Problem(
            400,
            f"The tracker {values['unique_id']} is in use already",
            "Each uniqueId can be added once: check the number, or remove the device that has it. "
            "If it isn't one of yours, ask the administrator.",
        ) from None
    except ForeignKeyViolation as error:  # an account, or a group that went away meanwhile
        raise not_found("group" if "group" in (error.diag.constraint_name or "") else "account") from None
    if row is None:
        raise not_found("group" if values["group_id"] else "device")
    await _refresh(shared, row.id)
    return row


async def _refresh(shared: State, device_id: int) -> None:
    """At once; if the database fails just now, the change is stored all the same, and the server hears of it a little later."""
    with contextlib.suppress(*sql.UNREACHABLE):
        await shared.server.refresh_device(device_id)
