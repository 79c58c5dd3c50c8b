"""Links of two things, as Traccar has them: for which devices and groups a zone or rule is, and whom a rule tells.

Who may see what isn't linked here: everybody of an account sees all of the account's. So a link of a user with a device, group,
zone or calendar of the same account is there already, and can't be undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import Field

from dashboards import auth, sql
from dashboards.api.geofences import check_size
from dashboards.api.parameters import LARGEST_ID
from dashboards.identity import Viewer
from dashboards.problems import Problem
from dashboards.state import Shared, State

router = APIRouter(prefix="/api/permissions", tags=["Permissions"])
AT_ONCE = 1_000

Link = Annotated[
    dict[Annotated[str, Field(max_length=32)], Annotated[int, Field(ge=1, le=LARGEST_ID)]],
    Field(min_length=2, max_length=2, examples=[{"deviceId": 1, "geofenceId": 2}]),
    Body(),
]
Links = Annotated[list[Link], Field(max_length=AT_ONCE), Body()]
NAMES = {
    "deviceId": "device_id",
    "groupId": "group_id",
    "userId": "user_id",
    "managedUserId": "managed_user_id",
    "geofenceId": "geofence_id",
    "notificationId": "notification_id",
    "calendarId": "calendar_id",
}
QUERIES = (  # the two, and the query that links them
    ({"deviceId", "geofenceId"}, "link_zone_target"),
    ({"groupId", "geofenceId"}, "link_zone_target"),
    ({"deviceId", "notificationId"}, "link_rule_target"),
    ({"groupId", "notificationId"}, "link_rule_target"),
    ({"geofenceId", "notificationId"}, "link_rule_zone"),
    ({"userId", "notificationId"}, "link_rule_user"),
)
BY_ACCOUNT = {"deviceId", "groupId", "geofenceId", "calendarId", "managedUserId"}  # with a userId


@router.post("", status_code=204, response_class=Response)
async def link(pair: Link, viewer: auth.Editor, shared: Shared) -> Response:
    """Link two things of one account, such as {"deviceId": 1, "geofenceId": 2}. What is linked already stays so."""
    await _each(shared, viewer, [pair], undo=False)
    return Response(status_code=204)


@router.delete("", status_code=204, response_class=Response)
async def unlink(pair: Link, viewer: auth.Editor, shared: Shared) -> Response:
    await _each(shared, viewer, [pair], undo=True)
    return Response(status_code=204)


@router.post("/bulk", status_code=204, response_class=Response)
async def link_many(pairs: Links, viewer: auth.Editor, shared: Shared) -> Response:
    """All of the links, or none."""
    await _each(shared, viewer, pairs, undo=False)
    return Response(status_code=204)


@router.delete("/bulk", status_code=204, response_class=Response)
async def unlink_many(pairs: Links, viewer: auth.Editor, shared: Shared) -> Response:
    await _each(shared, viewer, pairs, undo=True)
    return Response(status_code=204)


async def _each(shared: State, viewer: Viewer, pairs: Sequence[dict[str, int]], *, undo: bool) -> None:
    chosen = [(_query(set(pair), undo=undo), pair) for pair in pairs]
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        if targets := sum(query == "link_zone_target" for query, _ in chosen):
            await check_size(connection, viewer.account_id, targets=targets)
        for query, pair in chosen:
            given: dict[str, Any] = dict.fromkeys(NAMES.values())
            given |= {NAMES[name]: number for name, number in pair.items()}
            row = await (await connection.execute(sql.text(query), {**given, **viewer.scope}, prepare=False)).fetchone()
            if not row or not row[0]:
                raise Problem(404, "No such pair", "One of the two isn't there, isn't yours, or is another account's.")


def _query(names: set[str], *, undo: bool) -> str:
    """Raises Problem 400 for what can't be linked."""
    for pair, query in QUERIES:
        if names == pair:
            return f"un{query}" if undo else query
    if "userId" in names and names - {"userId"} <= BY_ACCOUNT:
        if undo:
            detail = "Everybody of an account sees all of it: move the user, or the other, to another account."
            raise Problem(400, "This link comes from the account", detail)
        return "linked_by_account"
    known = ", ".join(" and ".join(sorted(pair)) for pair, _ in QUERIES)
    raise Problem(400, "These two can't be linked", f"Known are {known}; a calendarId is a field of what goes by it.")
