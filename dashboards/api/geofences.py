"""Zones: Traccar's geofences. Their outlines are worked out when they are stored; docs/zones.md says what their fields mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from psycopg import AsyncConnection
from psycopg.errors import ForeignKeyViolation
from psycopg.rows import scalar_row
from psycopg.types.json import Jsonb
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from dashboards import allowed, auth, sql
from dashboards.api import answers
from dashboards.api.groups import LinkId, account_for
from dashboards.api.parameters import IDS_AT_ONCE, LARGEST_ID, Attributes, Body, Id, Ids, Name, Note, Page, Paged, PathId
from dashboards.identity import Viewer
from dashboards.live import batched, joined
from dashboards.problems import Problem, not_found
from dashboards.shapes import Shape
from dashboards.state import Shared, State
from dashboards.zones import (
    DraftOut,
    GeofenceOut,
    Outlined,
    RefusedOut,
    ZoneRow,
    beside,
    feature,
    from_draft,
    from_zone,
    outlined,
    place,
)
from telematics.hours import parse_weekly
from telematics.zones import formats

router = APIRouter(prefix="/api/geofences", tags=["Geofences"])
MOST = 20_000  # of an account
MOST_BYTES = 64 << 20  # of an account's outlines and attributes, four million points: the server has all of them in memory
MOST_TARGETS = 100_000  # of an account's zones, one by one; a zone may be for all, or for groups
OUTLINES_AT_ONCE = 1_000  # in one answer: a corridor's has up to 22,000 points
ENCODED_AT_ONCE = 50
WORKED_OUT_AT_ONCE = 20  # of a file, before others' zones have a turn
INSERTED_AT_ONCE = 100
LONGEST_AREA = 200_000  # characters: 2,000 points in brackets
LONGEST_S = 7 * 86400.0
NEW: dict[str, Any] = {  # what isn't said of a new zone
    "name": "",
    "description": None,
    "color": None,
    "zone_group": "",
    "all_devices": False,
    "enabled": True,
    "hours": None,
    "calendar_id": None,
    "border_m": 15.0,
    "confirm_fixes": 2,
    "confirm_s": 120.0,
    "dwell_s": None,
    "back_by": None,
    "speed_limit_kmh": None,
    "passes": True,
    "attributes": {},
    "device_ids": [],
    "group_ids": [],
}


def _half_width(attributes: dict[str, Any]) -> dict[str, Any]:
    distance = attributes.get("polylineDistance")
    if distance is not None and (isinstance(distance, bool) or not isinstance(distance, int | float) or not 0 < distance < 1e6):
        raise ValueError("polylineDistance is a number of metres, half of the corridor's width")
    color = attributes.get("color")
    if color is not None and (not isinstance(color, str) or len(color) > 32):
        raise ValueError("color is a word such as #2f7de1")
    return attributes


Hours = Annotated[list[dict[str, Any]] | None, BeforeValidator(parse_weekly)]
Color = Annotated[str, StringConstraints(max_length=32, pattern=r"^[^\x00-\x1f\x7f]*$")]
ZoneGroup = Annotated[str, StringConstraints(strip_whitespace=True, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Metres = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Device = Annotated[int | None, Query(alias="deviceId", ge=1, le=LARGEST_ID)]
Group = Annotated[int | None, Query(alias="groupId", ge=1, le=LARGEST_ID)]
ManyIds = Annotated[list[Id], Field(max_length=IDS_AT_ONCE)]


class Geofence(Body):
    """Fields that aren't sent stay as they are. `area` is Traccar's WKT, `geometry` GeoJSON: one of them says where it is."""

    name: Name | None = None
    description: Note | None = None
    area: Annotated[str, Field(max_length=LONGEST_AREA)] | None = None
    calendar_id: LinkId | None = None
    attributes: Annotated[Attributes, AfterValidator(_half_width)] | None = None
    account_id: Id | None = None
    geometry: dict[str, Any] | None = None
    radius: Metres | None = None
    width: Metres | None = None
    color: Color | None = None
    group: ZoneGroup | None = None
    all_devices: bool | None = None
    device_ids: ManyIds | None = None
    group_ids: ManyIds | None = None
    enabled: bool | None = None
    hours: Hours = None
    border: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] | None = None
    confirm_fixes: Annotated[int, Field(ge=1, le=100)] | None = None
    confirm_seconds: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] | None = None
    dwell_seconds: Annotated[float, Field(gt=0, le=LONGEST_S, allow_inf_nan=False)] | None = None
    back_by: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    speed_limit: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | None = None
    passes: bool | None = None


class NewGeofence(Geofence):
    name: Name


class Imported(Shape, frozen=True):
    geofences: list[dict[str, Any]]  # as of POST /api/geofences, ready to be sent there; stored ones with all of their fields
    refused: list[RefusedOut]


@router.get("", responses=answers.shaped(list[GeofenceOut]))
async def list_geofences(
    viewer: auth.User,
    shared: Shared,
    page: Paged,
    request: Request,
    ids: Annotated[Ids, Query(alias="id")] = (),
    device_id: Device = None,
    group_id: Group = None,
    outline: bool = False,
) -> Response:
    """The zones of the viewer's account; with `deviceId` or `groupId` those for it. With `outline=true` each has its area on the
    ellipsoid as GeoJSON, a thousand at most in one answer."""
    page = replace(page, limit=min(page.limit, OUTLINES_AT_ONCE)) if outline else page
    rows, headers = await _found(shared, viewer, page, request, ids, device_id=device_id, group_id=group_id, outline=outline)
    return answers.raw(joined(await _encoded(rows, from_zone)), headers)


@router.get("/geojson", response_class=Response)
async def geojson(
    viewer: auth.User,
    shared: Shared,
    page: Paged,
    request: Request,
    device_id: Device = None,
    group_id: Group = None,
    outline: bool = False,
) -> Response:
    """The same as a GeoJSON FeatureCollection, as drawn or, with `outline=true`, as areas."""
    page = replace(page, limit=min(page.limit, OUTLINES_AT_ONCE)) if outline else page
    rows, headers = await _found(shared, viewer, page, request, (), device_id=device_id, group_id=group_id, outline=outline)
    headers["Content-Disposition"] = 'attachment; filename="zones.geojson"'
    body = b'{"type":"FeatureCollection","features":' + joined(await _encoded(rows, feature)) + b"}"
    return Response(body, headers=headers, media_type="application/geo+json")


@router.post("/import", responses=answers.shaped(Imported))
async def import_geofences(
    viewer: auth.Editor,
    shared: Shared,
    request: Request,
    save: bool = False,
    all_devices: Annotated[bool, Query(alias="allDevices")] = False,
    group: Annotated[ZoneGroup, Query()] = "",
    account_id: Annotated[int | None, Query(alias="accountId", ge=1, le=LARGEST_ID)] = None,
) -> Response:
    """The body is a file of GeoJSON, KML or WKT. What is in it comes back, and what can't be a zone, with the reason; with
    `save=true` it is stored."""
    account = account_for(viewer, account_id)
    data = await request.body()
    try:
        items = await beside(formats.read, data)
    except ValueError as error:
        raise Problem(400, "The file can't be read", f"{error}.") from None
    drafts: list[tuple[formats.Draft, Outlined]] = []
    refused: list[RefusedOut] = []
    for some in batched(items, WORKED_OUT_AT_ONCE):
        for found in await beside(lambda some=some: [_worked_out(item) for item in some]):
            if isinstance(found, RefusedOut):
                refused.append(found)
            else:
                drafts.append(found)
    if not save:
        return answers.raw(await beside(_imported, [from_draft(draft) for draft, _ in drafts], refused))
    saved = await _saved(shared, viewer, account, drafts, all_devices=all_devices, group=group)
    return answers.raw(await beside(lambda: _imported([from_zone(row) for row in saved], refused)))


@router.get("/{zone_id}", responses=answers.shaped(GeofenceOut))
async def get_geofence(zone_id: PathId, viewer: auth.User, shared: Shared, outline: bool = False) -> Response:
    return answers.json(from_zone(await zone_of(shared, viewer, zone_id, outline=outline)))


@router.post("", responses=answers.shaped(GeofenceOut))
async def add_geofence(new: NewGeofence, viewer: auth.Editor, shared: Shared) -> Response:
    """For no device until it is linked: by `deviceIds`, `groupIds`, `allDevices`, or /api/permissions."""
    account = account_for(viewer, new.account_id)
    values = await _merged(None, new)
    return answers.json(from_zone(await _stored(shared, viewer, values, account=account, before=None, targets=True)))


@router.put("/{zone_id}", responses=answers.shaped(GeofenceOut))
async def change_geofence(zone_id: PathId, change: Geofence, viewer: auth.Editor, shared: Shared) -> Response:
    before = await zone_of(shared, viewer, zone_id)
    if change.account_id not in (None, before.account_id):
        raise Problem(400, "A zone stays with its account", "Make a new one there, and remove this one.")
    values = await _merged(before, change)
    targets = change.device_ids is not None or change.group_ids is not None
    saved = await _stored(shared, viewer, values, account=before.account_id, before=before, targets=targets)
    return answers.json(from_zone(saved))


@router.delete("/{zone_id}", status_code=204, response_class=Response)
async def remove_geofence(zone_id: PathId, viewer: auth.Editor, shared: Shared) -> Response:
    if not await sql.run(shared.server.database, "geofence_remove", id=zone_id, **viewer.scope):
        raise not_found("geofence")
    return Response(status_code=204)


async def zone_of(shared: State, viewer: Viewer, zone_id: int, *, outline: bool = False) -> ZoneRow:
    """Raises Problem 404 when there is none, or it isn't the viewer's."""
    found = await _rows(shared, viewer, Page(1, 0), ids=[zone_id], outline=outline)
    if not found:
        raise not_found("geofence")
    return found[0]


def _worked_out(item: formats.Item) -> tuple[formats.Draft, Outlined] | RefusedOut:
    if isinstance(item, formats.Refused):
        return RefusedOut(item.name, item.reason)
    try:
        area = outlined(item.kind, item.geometry, item.radius_m, item.width_m)
    except Problem as problem:
        return RefusedOut(item.name, problem.detail)
    return replace(item, geometry=area.geometry), area


def _imported(zones: Sequence[DraftOut | GeofenceOut], refused: Sequence[RefusedOut]) -> bytes:
    return msgspec.json.encode({"geofences": zones, "refused": refused})


async def _found(
    shared: State, viewer: Viewer, page: Page, request: Request, ids: Sequence[int], *, outline: bool, **which: int | None
) -> tuple[list[ZoneRow], dict[str, str]]:
    counted = {"ids": list(ids) or None, **which}
    total = await sql.value(shared.server.database, "geofences_count", **counted, **viewer.scope)
    return await _rows(shared, viewer, page, outline=outline, **counted), page.headers(total, request)


async def _rows(shared: State, viewer: Viewer, page: Page, **which: Any) -> list[ZoneRow]:
    which = {"device_id": None, "group_id": None, "outline": False, **which}
    return await sql.rows(shared.server.database, "geofences", ZoneRow, **which, **page.sql, **viewer.scope)


async def _encoded(rows: Sequence[ZoneRow], shape: Callable[[ZoneRow], object]) -> list[bytes]:
    """Each as JSON. Beside the loop, as a zone may have thousands of points."""
    encoded: list[bytes] = []
    for some in batched(rows, ENCODED_AT_ONCE):
        encoded += await beside(lambda some=some: [msgspec.json.encode(shape(row)) for row in some])
    return encoded


async def _merged(before: ZoneRow | None, given: Geofence) -> dict[str, Any]:
    """What is to be stored: what was given, else what is stored, else what a new zone has."""

    stored = NEW if before is None else {name: getattr(before, name) for name in NEW}

    def kept(name: str, value: Any) -> Any:
        return stored[name] if value is None else value

    def settable(name: str, field: str) -> Any:
        """Where null is a value, too."""
        return getattr(given, field) if field in given.model_fields_set else stored[name]

    attributes = dict(kept("attributes", given.attributes))
    half_m, theirs = attributes.pop("polylineDistance", None), attributes.pop("color", None)
    where = await beside(
        lambda: place(
            before, geometry=given.geometry, area=given.area, radius_m=given.radius, width_m=given.width, polyline_m=half_m
        )
    )
    back_by = settable("back_by", "back_by")
    return {
        "name": kept("name", given.name),
        "description": settable("description", "description"),
        "kind": where.kind,
        "geometry": where.geometry,
        "radius_m": where.radius_m,
        "width_m": where.width_m,
        "outline": where.outline,
        "depth_m": where.depth_m,
        "color": _color(before, given, theirs),
        "zone_group": kept("zone_group", given.group),
        "all_devices": kept("all_devices", given.all_devices),
        "enabled": kept("enabled", given.enabled),
        "hours": settable("hours", "hours"),
        "calendar_id": kept("calendar_id", given.calendar_id) or None,
        "border_m": kept("border_m", given.border),
        "confirm_fixes": kept("confirm_fixes", given.confirm_fixes),
        "confirm_s": kept("confirm_s", given.confirm_seconds),
        "dwell_s": settable("dwell_s", "dwell_seconds"),
        "back_by": time.fromisoformat(back_by) if isinstance(back_by, str) else back_by,
        "speed_limit_kmh": settable("speed_limit_kmh", "speed_limit"),
        "passes": kept("passes", given.passes),
        "attributes": attributes,
        "device_ids": list(dict.fromkeys(kept("device_ids", given.device_ids))),
        "group_ids": list(dict.fromkeys(kept("group_ids", given.group_ids))),
    }


def _color(before: ZoneRow | None, given: Geofence, theirs: str | None) -> str | None:
    """Of two ways to say it the one that says something new."""
    stored = before.color if before else None
    ours_said, theirs_said = "color" in given.model_fields_set, given.attributes is not None
    if ours_said and given.color != stored:
        return given.color or None
    if theirs_said and theirs != stored and (theirs is not None or not ours_said):
        return theirs or None
    return stored


class _Names(msgspec.Struct, frozen=True):
    """A row of `geofence_names.sql`."""

    devices: bool
    groups: bool
    calendar: bool


class _Size(msgspec.Struct, frozen=True):
    """A row of `geofences_size.sql`."""

    bytes: int
    targets: int


async def check_size(
    connection: AsyncConnection[Any], account: int, *, more_bytes: int = 0, targets: int = 0, but: int = 0
) -> None:
    """Raises Problem 400 where an account's zones (`but` one that is changed) and what comes to them would be more than the
    server wants to keep in memory."""
    (size,) = await sql.rows_on(connection, "geofences_size", _Size, account=account, but=but)
    if more_bytes and size.bytes + more_bytes > MOST_BYTES:
        detail = "Simplify outlines, shorten attributes, or remove zones that are not needed."
        raise Problem(400, "The account's zones are too large", detail)
    if targets and size.targets + targets > MOST_TARGETS:
        detail = f"An account may have {MOST_TARGETS}: let zones be for groups, or for all devices."
        raise Problem(400, "The zones are for too many devices one by one", detail)


async def _stored(
    shared: State, viewer: Viewer, values: dict[str, Any], *, account: int, before: ZoneRow | None, targets: bool
) -> ZoneRow:
    allowance = await allowed.of_account(shared, viewer, account)
    try:
        async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
            if before is None:
                await allowed.check_room(connection, allowance, "zones", account)
            names = {name: values[name] for name in ("device_ids", "group_ids", "calendar_id")}
            (known,) = await sql.rows_on(connection, "geofence_names", _Names, account=account, **names)
            for what in known.__struct_fields__:
                if not getattr(known, what):
                    raise not_found(what.removesuffix("s"))
            told = len(values["device_ids"]) + len(values["group_ids"]) if targets else 0
            more_bytes = len(values["outline"] or b"") + len(values["attributes"] and msgspec.json.encode(values["attributes"]))
            if told or more_bytes:
                but = before.id if before else 0
                await check_size(connection, account, more_bytes=more_bytes, targets=told, but=but)
            number = await _written(connection, viewer, values, account, before)
            if targets:
                names |= {"id": number}
                await connection.execute(sql.text("geofence_targets"), names)
    except ForeignKeyViolation as error:
        if "account" in (error.diag.constraint_name or ""):
            raise not_found("account") from None
        raise Problem(404, "Something it names is gone", "Load the page again, and name what is there.") from None
    return await zone_of(shared, viewer, number)


async def _written(
    connection: AsyncConnection[Any], viewer: Viewer, values: dict[str, Any], account: int, before: ZoneRow | None
) -> int:
    row = _row(values)
    if before is None:
        saved = await connection.execute(sql.text("geofence_add"), {**row, "account": account, "most": MOST})
    else:
        saved = await connection.execute(sql.text("geofence_change"), {**row, "id": before.id, **viewer.scope})
    found = await saved.fetchone()
    if found is None and before is None:
        raise _too_many()
    if found is None:
        raise not_found("geofence")
    return int(found[0])


def _row(values: dict[str, Any]) -> dict[str, Any]:
    return {
        **values,
        "geometry": Jsonb(values["geometry"]),
        "hours": None if values["hours"] is None else Jsonb(values["hours"]),
        "attributes": Jsonb(values["attributes"]),
    }


def _too_many() -> Problem:
    return Problem(400, "Too many geofences", f"An account may have {MOST}: remove some that are not needed.")


async def _saved(
    shared: State,
    viewer: Viewer,
    account: int,
    drafts: Sequence[tuple[formats.Draft, Outlined]],
    *,
    all_devices: bool,
    group: str,
) -> list[ZoneRow]:
    """All of them, or none."""
    rows = []
    for draft, area in drafts:
        said: dict[str, Any] = {"name": draft.name, "description": draft.description, "color": draft.color}
        said |= {"zone_group": group or draft.group, "all_devices": all_devices, "account": account, "most": None}
        where = {name: getattr(area, name) for name in ("kind", "geometry", "radius_m", "width_m", "outline", "depth_m")}
        rows.append(_row({**NEW, **said, **where}))
    numbers = list[int]()
    allowance = await allowed.of_account(shared, viewer, account)
    try:
        async with (
            shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection,
            connection.cursor(row_factory=scalar_row) as cursor,
        ):
            await allowed.check_room(connection, allowance, "zones", account, len(rows))
            await cursor.execute(sql.text("geofences_room"), {"account": account})
            if (await cursor.fetchone() or 0) + len(rows) > MOST:
                raise _too_many()
            await check_size(connection, account, more_bytes=sum(len(area.outline or b"") for _, area in drafts))
            for some in batched(rows, INSERTED_AT_ONCE):
                await cursor.executemany(sql.text("geofence_add"), some, returning=True)
                numbers += await cursor.fetchall()
                while cursor.nextset():
                    numbers += await cursor.fetchall()
    except ForeignKeyViolation:
        raise not_found("account") from None
    return await _rows(shared, viewer, Page(max(len(numbers), 1), 0), ids=numbers)
