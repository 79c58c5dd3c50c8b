"""Devices: the trackers, and what they are on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, Field

from dashboards import auth, connecting, sql
from dashboards.api import answers
from dashboards.api.parameters import LARGEST_ID, Attributes, Body, DeviceId, Id, Ids, Name, Note, Paged
from dashboards.audited import Actor, Author
from dashboards.identity import Viewer
from dashboards.live import joined
from dashboards.problems import Problem, not_found
from dashboards.shapes import DeviceOut, DeviceRow, from_device
from dashboards.state import Shared, State

router = APIRouter(prefix="/api/devices", tags=["Devices"])


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
    test: Annotated[bool, Field(description="as the account's test tracker, which costs nothing; an account has one")] = False


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
async def add_device(new: NewDevice, author: Author, shared: Shared) -> Response:
    """Add a tracker. What it sends is taken from now on; on a paid tariff its connection is charged at once, or, where the money
    isn't there, it is blocked until there is some: `billing` tells which. Nothing is charged for the account's test tracker."""
    return answers.json(await create(shared, author, new))


@router.get("/{device_id}", responses=answers.shaped(DeviceOut))
async def get_device(device_id: DeviceId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(shape(shared, await device_of(shared, viewer, device_id, with_blocked=True)))


@router.put("/{device_id}", responses=answers.shaped(DeviceOut))
async def change_device(device_id: DeviceId, change: DeviceChange, author: Author, shared: Shared) -> Response:
    """Given to another account, it is connected there anew, and paid for by that one."""
    row = await device_of(shared, author.viewer, device_id, with_blocked=True)
    given = {name: getattr(change, name) for name in change.model_fields_set}
    account_id = _account_for(author.viewer, change.account_id) if change.account_id else row.account_id
    values = {name: given.get(name, getattr(row, name)) for name in connecting.FIELDS}
    if account_id != row.account_id and values["group_id"] == row.group_id:
        values["group_id"] = None  # the group stays with its account
    for name in ("name", "unique_id", "disabled", "attributes"):  # these can't be emptied
        values[name] = getattr(row, name) if values[name] is None else values[name]
    if account_id == row.account_id:
        return answers.json(shape(shared, await connecting.change(shared, author, row, values)))
    saved, told = await connecting.move(shared, author, row, account_id, values)
    return answers.json(from_device(saved, shared.server.status(saved.id), told))


@router.delete("/{device_id}", status_code=204, response_class=Response)
async def remove_device(device_id: DeviceId, author: Author, shared: Shared) -> Response:
    """Its tracker counts as unknown from now on. Nothing is given back for it."""
    await connecting.remove(shared, author, await device_of(shared, author.viewer, device_id, with_blocked=True))
    return Response(status_code=204)


async def create(shared: State, author: Actor, new: NewDevice) -> DeviceOut:
    """Raises Problem 400 when the tracker is somebody's already."""
    values = {name: getattr(new, name) for name in connecting.FIELDS}
    values["disabled"] = bool(new.disabled)
    values["attributes"] = new.attributes or {}
    row, told = await connecting.add(shared, author, _account_for(author.viewer, new.account_id), values, test=new.test)
    return from_device(row, shared.server.status(row.id), told)


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
