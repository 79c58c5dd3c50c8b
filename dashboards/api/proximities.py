"""Proximities: whose nearness to whom, or to a place, is told. Ours; Traccar has no such thing.

Who: `deviceId` or `groupId`. To whom: `toDeviceId`, `toGroupId`, or a place by `latitude` and `longitude`. Of each side one is
given; to give another instead of it is enough to change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from psycopg.errors import ForeignKeyViolation
from psycopg.types.json import Jsonb
from pydantic import BeforeValidator, Field

from dashboards import allowed, auth, sql
from dashboards.api import answers
from dashboards.api.groups import LinkId, account_for
from dashboards.api.parameters import LARGEST_ID, Attributes, Body, Id, Name, Paged, PathId
from dashboards.identity import Viewer
from dashboards.problems import Problem, not_found
from dashboards.shapes import Attributes as Said
from dashboards.shapes import Shape
from dashboards.state import Shared, State
from telematics.hours import parse_weekly

router = APIRouter(prefix="/api/proximities", tags=["Proximities"])
MOST = 5_000  # of an account: a trailer's each
FARTHEST_M = 100_000.0
EXIT = 1.5  # of the distance that counts as near, where nothing else is said
WHO = ("device_id", "group_id")
PLACE = ("latitude", "longitude")
WHOM = ("to_device_id", "to_group_id", *PLACE)


@dataclass(frozen=True, slots=True)
class ProximityRow:
    """A row of `proximities.sql`."""

    id: int
    account_id: int
    name: str
    enabled: bool
    device_id: int | None
    group_id: int | None
    to_device_id: int | None
    to_group_id: int | None
    latitude: float | None
    longitude: float | None
    enter_m: float
    exit_m: float
    minutes: float | None
    min_s: float
    partner_age_s: float
    cooldown_s: float
    hours: list[dict[str, Any]] | None
    calendar_id: int | None
    attributes: dict[str, Any]


class ProximityOut(Shape, frozen=True):
    id: int
    name: str
    enabled: bool
    account_id: int
    device_id: int | None
    group_id: int | None
    to_device_id: int | None
    to_group_id: int | None
    latitude: float | None
    longitude: float | None
    enter: float  # m
    exit: float  # m
    minutes: float | None
    min_seconds: float
    partner_age: float  # s
    cooldown: float  # s
    hours: list[dict[str, Any]] | None
    calendar_id: int
    attributes: Said


def _number(least: float, most: float) -> Any:
    return Field(ge=least, le=most, allow_inf_nan=False)


Metres = Annotated[float, _number(1, 2 * FARTHEST_M)]


class Proximity(Body):
    """Fields that aren't sent stay as they are."""

    name: Name | None = None
    enabled: bool | None = None
    account_id: Id | None = None
    device_id: LinkId | None = None
    group_id: LinkId | None = None
    to_device_id: LinkId | None = None
    to_group_id: LinkId | None = None
    latitude: Annotated[float, _number(-90, 90)] | None = None
    longitude: Annotated[float, _number(-180, 180)] | None = None
    enter: Annotated[float, _number(1, FARTHEST_M)] | None = None
    exit: Metres | None = None
    minutes: Annotated[float, _number(0.5, 240)] | None = None
    min_seconds: Annotated[float, _number(0, 86_400)] | None = None
    partner_age: Annotated[float, _number(1, 7 * 86_400)] | None = None
    cooldown: Annotated[float, _number(0, 30 * 86_400)] | None = None
    hours: Annotated[list[dict[str, Any]] | None, BeforeValidator(parse_weekly)] = None
    calendar_id: LinkId | None = None
    attributes: Attributes | None = None


class NewProximity(Proximity):
    name: Name
    enter: Annotated[float, _number(1, FARTHEST_M)]


class _Names(msgspec.Struct, frozen=True):
    """A row of `proximity_names.sql`."""

    device: bool
    group: bool
    calendar: bool


@router.get("", responses=answers.shaped(list[ProximityOut]))
async def list_proximities(
    viewer: auth.User,
    shared: Shared,
    page: Paged,
    request: Request,
    device_id: Annotated[int | None, Query(alias="deviceId", ge=1, le=LARGEST_ID)] = None,
) -> Response:
    """The account's, with `deviceId` those that name this device itself; administrators get all accounts'."""
    which = {"id": None, "device_id": device_id, **viewer.scope}
    total = await sql.value(shared.server.database, "proximities_count", **which)
    found = await sql.rows(shared.server.database, "proximities", ProximityRow, **which, **page.sql)
    return await answers.listed(found, shape, page.headers(total, request))


@router.get("/{proximity_id}", responses=answers.shaped(ProximityOut))
async def get_proximity(proximity_id: PathId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(shape(await proximity_of(shared, viewer, proximity_id)))


@router.post("", responses=answers.shaped(ProximityOut))
async def add_proximity(new: NewProximity, viewer: auth.Editor, shared: Shared) -> Response:
    """Vehicles that are near each other already aren't told of before they part."""
    account = account_for(viewer, new.account_id)
    return answers.json(shape(await _stored(shared, viewer, _merged(None, new), account=account, before=None)))


@router.put("/{proximity_id}", responses=answers.shaped(ProximityOut))
async def change_proximity(proximity_id: PathId, change: Proximity, viewer: auth.Editor, shared: Shared) -> Response:
    before = await proximity_of(shared, viewer, proximity_id)
    if change.account_id not in (None, before.account_id):
        raise Problem(400, "A proximity stays with its account", "Make a new one there, and remove this one.")
    values = _merged(before, change)
    return answers.json(shape(await _stored(shared, viewer, values, account=before.account_id, before=before)))


@router.delete("/{proximity_id}", status_code=204, response_class=Response)
async def remove_proximity(proximity_id: PathId, viewer: auth.Editor, shared: Shared) -> Response:
    if not await sql.run(shared.server.database, "proximity_remove", id=proximity_id, **viewer.scope):
        raise not_found("proximity")
    return Response(status_code=204)


async def proximity_of(shared: State, viewer: Viewer, proximity_id: int) -> ProximityRow:
    """Raises Problem 404 when there is none, or it isn't the viewer's."""
    which = {"id": proximity_id, "device_id": None, "limit": 1, "offset": 0, **viewer.scope}
    row = await sql.row(shared.server.database, "proximities", ProximityRow, **which)
    if row is None:
        raise not_found("proximity")
    return row


def shape(row: ProximityRow) -> ProximityOut:
    return ProximityOut(
        id=row.id,
        name=row.name,
        enabled=row.enabled,
        account_id=row.account_id,
        device_id=row.device_id,
        group_id=row.group_id,
        to_device_id=row.to_device_id,
        to_group_id=row.to_group_id,
        latitude=row.latitude,
        longitude=row.longitude,
        enter=row.enter_m,
        exit=row.exit_m,
        minutes=row.minutes,
        min_seconds=row.min_s,
        partner_age=row.partner_age_s,
        cooldown=row.cooldown_s,
        hours=row.hours,
        calendar_id=row.calendar_id or 0,
        attributes=row.attributes,
    )


def _merged(before: ProximityRow | None, given: Proximity) -> dict[str, Any]:
    """What is to be stored. Raises Problem 400 where it makes no sense as a whole."""

    def kept(field: str, name: str, otherwise: Any) -> Any:
        value = getattr(given, field)
        if value is not None:
            return value
        return otherwise if before is None else getattr(before, name)

    def settable(field: str) -> Any:
        """Where null is a value, too."""
        if field in given.model_fields_set or before is None:
            return getattr(given, field)
        return getattr(before, field)

    enter_m = kept("enter", "enter_m", None)
    values = {
        "name": kept("name", "name", ""),
        "enabled": kept("enabled", "enabled", True),
        **_side(before, given, WHO),
        **_side(before, given, WHOM),
        "enter_m": enter_m,
        "exit_m": kept("exit", "exit_m", EXIT * enter_m),
        "minutes": settable("minutes"),
        "min_s": kept("min_seconds", "min_s", 30.0),
        "partner_age_s": kept("partner_age", "partner_age_s", 600.0),
        "cooldown_s": kept("cooldown", "cooldown_s", 900.0),
        "hours": settable("hours"),
        "calendar_id": kept("calendar_id", "calendar_id", None) or None,
        "attributes": kept("attributes", "attributes", {}),
    }
    _check(values)
    return values


def _side(before: ProximityRow | None, given: Proximity, names: Sequence[str]) -> dict[str, Any]:
    """What was given, in place of all that is stored of this side; 0 is what Traccar's clients write for nothing."""
    said = {name: getattr(given, name) for name in names}
    for name in names:
        if name not in PLACE:
            said[name] = said[name] or None
    if all(value is None for value in said.values()) and before is not None:
        return {name: getattr(before, name) for name in names}
    if before is not None and PLACE[0] in names and (said[PLACE[0]] is None) != (said[PLACE[1]] is None):
        for name in PLACE:  # a place that moves along one axis
            said[name] = getattr(before, name) if said[name] is None else said[name]
    return said


def _check(values: dict[str, Any]) -> None:
    who = [name for name in WHO if values[name] is not None]
    whom = [name for name in WHOM[:3] if values[name] is not None]
    if len(who) != 1:
        raise Problem(400, "Who comes near isn't clear", "Give deviceId or groupId, one of them.")
    if (values["latitude"] is None) != (values["longitude"] is None):
        raise Problem(400, "The place isn't whole", "Give latitude and longitude together.")
    if len(whom) != 1:
        raise Problem(
            400, "To whom isn't clear", "Give toDeviceId, toGroupId, or a place by latitude and longitude: one of them."
        )
    if values["device_id"] is not None and values["device_id"] == values["to_device_id"]:
        raise Problem(400, "A vehicle is always near itself", "Choose another vehicle to compare it with.")
    if values["exit_m"] < values["enter_m"]:
        raise Problem(
            400,
            "The distances don't fit",
            f"`exit`, at which they are apart again, can't be less than `enter` ({values['enter_m']:g} m).",
        )
    if values["minutes"] is not None and values["latitude"] is None:
        raise Problem(400, "Minutes are for places", "Leave minutes out, or give latitude and longitude of a place.")


async def _stored(
    shared: State, viewer: Viewer, values: dict[str, Any], *, account: int, before: ProximityRow | None
) -> ProximityRow:
    row = {
        **values,
        "hours": None if values["hours"] is None else Jsonb(values["hours"]),
        "attributes": Jsonb(values["attributes"]),
    }
    allowance = await allowed.of_account(shared, viewer, account)
    try:
        async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
            if before is None:
                await allowed.check_room(connection, allowance, "proximities", account)
            names = {name: values[name] for name in ("device_id", "group_id", "to_device_id", "to_group_id", "calendar_id")}
            (known,) = await sql.rows_on(connection, "proximity_names", _Names, account=account, **names)
            for what in known.__struct_fields__:
                if not getattr(known, what):
                    raise not_found(what)
            if before is None:
                saved = await sql.rows_on(connection, "proximity_add", ProximityRow, **row, account=account, most=MOST)
            else:
                saved = await sql.rows_on(connection, "proximity_change", ProximityRow, **row, id=before.id, **viewer.scope)
    except ForeignKeyViolation as error:
        if "account" in (error.diag.constraint_name or ""):
            raise not_found("account") from None
        raise Problem(404, "Something it names is gone", "Load the page again, and name what is there.") from None
    if not saved and before is None:
        raise Problem(
            400, "Too many proximities", f"An account may have {MOST}: remove some, or name groups instead of vehicles."
        )
    if not saved:
        raise not_found("proximity")
    return saved[0]
