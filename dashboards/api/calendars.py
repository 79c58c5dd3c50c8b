"""Calendars: iCalendar files by which zones and rules go, instead of weekly windows or beside them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from psycopg.errors import ForeignKeyViolation
from psycopg.types.json import Jsonb
from pydantic import Field

from dashboards import auth, people, sql
from dashboards.api import answers
from dashboards.api.groups import account_for
from dashboards.api.parameters import Attributes, Body, Id, Name, Paged, PathId
from dashboards.identity import Viewer
from dashboards.problems import Problem, not_found
from dashboards.shapes import Attributes as Said
from dashboards.shapes import Shape
from dashboards.state import Shared, State
from dashboards.zones import beside
from telematics.hours import LARGEST_CALENDAR, Hours

router = APIRouter(prefix="/api/calendars", tags=["Calendars"])
MOST = 100  # of an account; each may keep 10 MB of memory busy
AT_ONCE = 100  # in one answer: up to 340 kB each
NAMES = {"zone": "the zone", "rule": "the rule", "proximity": "the proximity"}


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """A row of `calendars.sql`."""

    id: int
    account_id: int
    name: str
    data: str
    attributes: dict[str, Any]
    time_zone: str


@dataclass(frozen=True, slots=True)
class UserOfIt:
    """A row of `calendar_users.sql`."""

    kind: str
    name: str


class CalendarOut(Shape, frozen=True):
    id: int
    name: str
    data: str  # iCalendar, base64
    attributes: Said
    account_id: int  # ours


class CalendarChange(Body):
    """Fields that aren't sent stay as they are."""

    name: Name | None = None
    data: Annotated[str, Field(max_length=LARGEST_CALENDAR * 2)] | None = None
    attributes: Attributes | None = None
    account_id: Id | None = None


class NewCalendar(CalendarChange):
    name: Name
    data: Annotated[str, Field(max_length=LARGEST_CALENDAR * 2)]


@router.get("", responses=answers.shaped(list[CalendarOut]))
async def list_calendars(viewer: auth.User, shared: Shared, page: Paged, request: Request) -> Response:
    """The calendars of the viewer's account; administrators get all accounts', a hundred at a time."""
    page = replace(page, limit=min(page.limit, AT_ONCE))
    total = await sql.value(shared.server.database, "calendars_count", **viewer.scope)
    found = await sql.rows(shared.server.database, "calendars", CalendarRow, id=None, **page.sql, **viewer.scope)
    return await answers.listed(found, shape, page.headers(total, request))


@router.get("/{calendar_id}", responses=answers.shaped(CalendarOut))
async def get_calendar(calendar_id: PathId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(shape(await calendar_of(shared, viewer, calendar_id)))


@router.post("", responses=answers.shaped(CalendarOut))
async def add_calendar(new: NewCalendar, viewer: auth.Editor, shared: Shared) -> Response:
    """`data` is an iCalendar file (.ics) in base64. Times without a zone are in the account's."""
    account = account_for(viewer, new.account_id)
    known = await sql.row(
        shared.server.database, "accounts", people.AccountRow, id=account, limit=1, offset=0, everything=True, account_id=account
    )
    if known is None:
        raise not_found("account")
    text = await _read(new.data, known.time_zone)
    values = {"name": new.name, "data": text, "attributes": Jsonb(new.attributes or {})}
    try:
        added = await sql.value(shared.server.database, "calendar_add", account=account, most=MOST, **values)
    except ForeignKeyViolation:
        raise not_found("account") from None
    if added is None:
        raise Problem(400, "Too many calendars", f"An account may have {MOST}: remove some that are not needed.")
    return answers.json(shape(await calendar_of(shared, viewer, added)))


@router.put("/{calendar_id}", responses=answers.shaped(CalendarOut))
async def change_calendar(calendar_id: PathId, change: CalendarChange, viewer: auth.Editor, shared: Shared) -> Response:
    before = await calendar_of(shared, viewer, calendar_id)
    if change.account_id not in (None, before.account_id):
        raise Problem(400, "A calendar stays with its account", "Make a new one there, and remove this one.")
    values = {
        "name": change.name or before.name,
        "data": before.data if change.data is None else await _read(change.data, before.time_zone),
        "attributes": Jsonb(before.attributes if change.attributes is None else change.attributes),
    }
    await sql.run(shared.server.database, "calendar_change", id=calendar_id, **values, **viewer.scope)
    return answers.json(shape(await calendar_of(shared, viewer, calendar_id)))


@router.delete("/{calendar_id}", status_code=204, response_class=Response)
async def remove_calendar(calendar_id: PathId, viewer: auth.Editor, shared: Shared) -> Response:
    """Refused while a zone or rule goes by it: without, it would apply always."""
    await calendar_of(shared, viewer, calendar_id)
    try:
        removed = await sql.run(shared.server.database, "calendar_remove", id=calendar_id, **viewer.scope)
    except ForeignKeyViolation:
        users = await sql.rows(shared.server.database, "calendar_users", UserOfIt, id=calendar_id)
        named = ", ".join(f"{NAMES[user.kind]} “{user.name}”" for user in users)
        raise Problem(
            409, "The calendar is in use", f"Give another calendar, or none, to: {named or 'what goes by it'}."
        ) from None
    if not removed:
        raise not_found("calendar")
    return Response(status_code=204)


async def calendar_of(shared: State, viewer: Viewer, calendar_id: int) -> CalendarRow:
    """Raises Problem 404 when there is none, or it isn't the viewer's."""
    row = await sql.row(shared.server.database, "calendars", CalendarRow, id=calendar_id, limit=1, offset=0, **viewer.scope)
    if row is None:
        raise not_found("calendar")
    return row


def shape(row: CalendarRow) -> CalendarOut:
    return CalendarOut(row.id, row.name, base64.b64encode(row.data.encode()).decode(), row.attributes, row.account_id)


async def _read(data: str, time_zone: str) -> str:
    """The file's text. Raises Problem 400 that says what is wrong with it."""
    try:
        text = base64.b64decode(data, validate=True).decode("utf-8-sig")
    except (binascii.Error, ValueError):
        raise Problem(400, "The calendar can't be read", "Send an iCalendar file (.ics, UTF-8) in base64 as `data`.") from None
    if "\0" in text:
        raise Problem(400, "The calendar can't be read", "It holds a NUL; export it as iCalendar (.ics) again.")
    try:
        await beside(Hours.of, None, text or " ", time_zone)
    except ValueError as error:
        raise Problem(400, "The calendar can't be used", str(error)) from None
    return text
