"""Groups of devices, and of groups: what is set for a group goes for all that is within."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from psycopg import AsyncConnection
from psycopg.errors import ForeignKeyViolation
from psycopg.rows import scalar_row
from psycopg.types.json import Jsonb
from pydantic import Field

from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.parameters import LARGEST_ID, Attributes, Body, Id, Name, Paged, PathId
from dashboards.identity import Viewer
from dashboards.problems import Problem, not_found
from dashboards.shapes import Attributes as Said
from dashboards.shapes import Shape
from dashboards.state import Shared, State

router = APIRouter(prefix="/api/groups", tags=["Groups"])
MOST = 5_000  # of an account
DEEPEST = 16  # groups within groups
LinkId = Annotated[int, Field(ge=0, le=LARGEST_ID)]  # 0: none, as Traccar has it


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A row of `groups.sql`."""

    id: int
    account_id: int
    name: str
    parent_id: int | None
    attributes: dict[str, Any]


class GroupOut(Shape, frozen=True):
    id: int
    name: str
    group_id: int  # the one it is in; 0: none
    attributes: Said
    account_id: int  # ours


class GroupChange(Body):
    """Fields that aren't sent stay as they are."""

    name: Name | None = None
    group_id: LinkId | None = None
    attributes: Attributes | None = None
    account_id: Id | None = None


class NewGroup(GroupChange):
    name: Name


@router.get("", responses=answers.shaped(list[GroupOut]))
async def list_groups(viewer: auth.User, shared: Shared, page: Paged, request: Request) -> Response:
    """The groups of the viewer's account; administrators get all accounts'."""
    total = await sql.value(shared.server.database, "groups_count", **viewer.scope)
    found = await sql.rows(shared.server.database, "groups", GroupRow, id=None, **page.sql, **viewer.scope)
    return await answers.listed(found, shape, page.headers(total, request))


@router.get("/{group_id}", responses=answers.shaped(GroupOut))
async def get_group(group_id: PathId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(shape(await group_of(shared, viewer, group_id)))


@router.post("", responses=answers.shaped(GroupOut))
async def add_group(new: NewGroup, viewer: auth.Editor, shared: Shared) -> Response:
    account = account_for(viewer, new.account_id)
    parent_id = await _parent(shared, viewer, new.group_id, account)
    values = {"name": new.name, "parent_id": parent_id, "attributes": Jsonb(new.attributes or {})}
    try:
        async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
            await connection.execute(sql.text("account_lock"), {"id": account})
            if parent_id:
                await _above(connection, parent_id)
            found = await sql.rows_on(connection, "group_add", GroupRow, account=account, most=MOST, **values)
    except ForeignKeyViolation:
        raise not_found("account") from None
    if not found:
        raise Problem(400, "Too many groups", f"An account may have {MOST}: remove some that are not needed.")
    return answers.json(shape(found[0]))


@router.put("/{group_id}", responses=answers.shaped(GroupOut))
async def change_group(group_id: PathId, change: GroupChange, viewer: auth.Editor, shared: Shared) -> Response:
    before = await group_of(shared, viewer, group_id)
    if change.account_id not in (None, before.account_id):
        raise Problem(400, "A group stays with its account", "Make a new one there, and remove this one.")
    asked = before.parent_id if change.group_id is None else change.group_id
    parent_id = await _parent(shared, viewer, asked, before.account_id)
    values = {
        "name": change.name or before.name,
        "parent_id": parent_id,
        "attributes": Jsonb(before.attributes if change.attributes is None else change.attributes),
    }
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        await connection.execute(sql.text("account_lock"), {"id": before.account_id})
        if parent_id and group_id in await _above(connection, parent_id):
            raise Problem(400, "A group can't be within itself", "Choose another group for it to be in, or none (groupId 0).")
        found = await sql.rows_on(connection, "group_change", GroupRow, id=group_id, **values, **viewer.scope)
    if not found:
        raise not_found("group")
    return answers.json(shape(found[0]))


@router.delete("/{group_id}", status_code=204, response_class=Response)
async def remove_group(group_id: PathId, viewer: auth.Editor, shared: Shared) -> Response:
    """Its devices and groups stay, and are in none afterwards; zones and rules of the group lose it."""
    if not await sql.run(shared.server.database, "group_remove", id=group_id, **viewer.scope):
        raise not_found("group")
    return Response(status_code=204)


async def group_of(shared: State, viewer: Viewer, group_id: int) -> GroupRow:
    """Raises Problem 404 when there is none, or it isn't the viewer's."""
    row = await sql.row(shared.server.database, "groups", GroupRow, id=group_id, limit=1, offset=0, **viewer.scope)
    if row is None:
        raise not_found("group")
    return row


def account_for(viewer: Viewer, account_id: int | None) -> int:
    """Whose a new thing is to be. Raises Problem 404 for somebody else's."""
    if account_id in (None, viewer.account_id):
        return viewer.account_id
    if not viewer.administrator:
        raise not_found("account")
    assert account_id is not None
    return account_id


def shape(row: GroupRow) -> GroupOut:
    return GroupOut(row.id, row.name, row.parent_id or 0, row.attributes, row.account_id)


async def _above(connection: AsyncConnection[Any], group_id: int) -> list[int]:
    """The group and those it is within. Raises Problem 400 where nothing more fits in."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        above = await (await cursor.execute(sql.text("group_above"), {"id": group_id})).fetchall()
    if len(above) >= DEEPEST:
        raise Problem(400, "Too many groups within each other", f"There can be {DEEPEST}: put it further up.")
    return above


async def _parent(shared: State, viewer: Viewer, group_id: int | None, account: int) -> int | None:
    """Raises Problem 404 for a group that isn't the account's."""
    if not group_id:
        return None
    if (await group_of(shared, viewer, group_id)).account_id != account:
        raise not_found("group")
    return group_id
