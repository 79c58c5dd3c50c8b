"""The feed: what rules asked to be told, whether somebody has seen to it, and what was said of it.

Who may only look acknowledges and comments nothing: an acknowledgement tells colleagues that somebody is seeing to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, Field, StringConstraints

from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.deliveries import Before, Limit, Since, Until, deliveries
from dashboards.api.parameters import LARGEST_ID, LARGEST_POSITION_ID, Body
from dashboards.identity import Viewer
from dashboards.notices import (
    ANY_ALERT,
    AlertDetail,
    AlertOut,
    AlertRow,
    CommentRow,
    detailed,
    from_alert,
    from_comment,
    from_delivery,
    language_of,
)
from dashboards.problems import Problem, not_found
from dashboards.state import Shared, State
from telematics.live import AlertNews

router = APIRouter(prefix="/api/alerts", tags=["Alerts"])
ACKNOWLEDGED_AT_ONCE = 1_000
COMMENTS = 100  # of one alert
DELIVERIES = 500  # shown with one alert

AlertId = Annotated[int, Path(ge=1, le=LARGEST_POSITION_ID)]
Number = Annotated[int, Field(ge=1, le=LARGEST_POSITION_ID)]
QueryId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Some = Annotated[Sequence[QueryId], Query(max_length=100)]


class OpenOut(msgspec.Struct, frozen=True):
    open: int


class AcknowledgedOut(msgspec.Struct, frozen=True):
    acknowledged: int


class Which(Body):
    """The alerts with these ids, or (`before`) the newest thousand open ones up to this number."""

    ids: Annotated[list[Number], Field(max_length=ACKNOWLEDGED_AT_ONCE)] | None = None
    before: Number | None = None


def _readable(value: str) -> str:
    if any((ord(letter) < 32 and letter != "\n") or ord(letter) == 127 for letter in value):
        raise ValueError("control characters can't be stored")
    return value


class Comment(Body):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000), AfterValidator(_readable)]


class Told(msgspec.Struct, frozen=True):
    """Whose alert was changed."""

    id: int
    account_id: int
    device_id: int | None


@router.get("", responses=answers.shaped(list[AlertOut]))
async def list_alerts(
    request: Request,
    viewer: auth.User,
    shared: Shared,
    before: Before = None,
    since: Since = None,
    until: Until = None,
    types: Annotated[Sequence[str], Query(alias="type", max_length=50)] = (),
    device_ids: Annotated[Some, Query(alias="deviceId")] = (),
    zone_ids: Annotated[Some, Query(alias="geofenceId")] = (),
    event_id: Annotated[int | None, Query(alias="eventId", ge=1, le=LARGEST_POSITION_ID)] = None,
    acknowledged: bool | None = None,
    limit: Limit = 100,
) -> Response:
    """The newest first; `before` walks on."""
    found = await alerts(
        shared,
        viewer,
        limit=limit,
        before=before,
        event_id=event_id,
        types=list(types) or None,
        device_ids=list(device_ids) or None,
        zone_ids=[str(zone_id) for zone_id in zone_ids] or None,
        acknowledged=acknowledged,
        since=since,
        until=until,
    )
    language = language_of(request, viewer)
    return await answers.listed(found, lambda row: from_alert(row, language))


@router.get("/count", responses=answers.shaped(OpenOut))
async def count(viewer: auth.User, shared: Shared) -> Response:
    """How many nobody has acknowledged; 10,000 stands for all above."""
    return answers.json(OpenOut(await sql.value(shared.server.database, "alerts_open", **viewer.scope)))


@router.post("/acknowledge", responses=answers.shaped(AcknowledgedOut))
async def acknowledge_many(which: Which, viewer: auth.Editor, shared: Shared) -> Response:
    """At most 1,000 at once: as long as `acknowledged` is 1,000 there may be more."""
    if (which.ids is None) == (which.before is None):
        raise Problem(400, "Which alerts?", "Give either `ids` or `before`.")
    return answers.json(AcknowledgedOut(len(await acknowledge(shared, viewer, ids=which.ids, up_to=which.before))))


@router.get("/{alert_id}", responses=answers.shaped(AlertDetail))
async def get_alert(alert_id: AlertId, request: Request, viewer: auth.User, shared: Shared) -> Response:
    """With its comments and deliveries."""
    return answers.json(await detail(shared, viewer, alert_id, language_of(request, viewer)))


@router.post("/{alert_id}/acknowledge", responses=answers.shaped(AlertOut))
async def acknowledge_one(alert_id: AlertId, request: Request, viewer: auth.Editor, shared: Shared) -> Response:
    """Who did it first stays."""
    await alert_seen(shared, viewer, alert_id)
    await acknowledge(shared, viewer, ids=[alert_id])
    return answers.json(from_alert(await alert_seen(shared, viewer, alert_id), language_of(request, viewer)))


@router.delete("/{alert_id}/acknowledge", responses=answers.shaped(AlertOut))
async def reopen(alert_id: AlertId, request: Request, viewer: auth.Editor, shared: Shared) -> Response:
    """Takes the acknowledgement back."""
    told = await sql.row(shared.server.database, "alert_reopen", Told, id=alert_id, **viewer.scope)
    if told is None:
        raise not_found("alert")
    _tell(shared, [told])
    return answers.json(from_alert(await alert_seen(shared, viewer, alert_id), language_of(request, viewer)))


@router.post("/{alert_id}/comments", responses=answers.shaped(AlertDetail))
async def comment(alert_id: AlertId, said: Comment, request: Request, viewer: auth.Editor, shared: Shared) -> Response:
    """The alert with the new comment."""
    await add_comment(shared, viewer, alert_id, said.text)
    return answers.json(await detail(shared, viewer, alert_id, language_of(request, viewer)))


async def alerts(shared: State, viewer: Viewer, *, limit: int, **which: Any) -> list[AlertRow]:
    """Those that the viewer may see and that fit all that is given."""
    return await sql.rows(shared.server.database, "alerts", AlertRow, limit=limit, **{**ANY_ALERT, **which}, **viewer.scope)


async def alert_seen(shared: State, viewer: Viewer, alert_id: int) -> AlertRow:
    """Raises Problem 404 when there is none, or it isn't the viewer's."""
    found = await alerts(shared, viewer, limit=1, ids=[alert_id])
    if not found:
        raise not_found("alert")
    return found[0]


async def detail(shared: State, viewer: Viewer, alert_id: int, language: str) -> AlertDetail:
    row = await alert_seen(shared, viewer, alert_id)
    comments = await sql.rows(shared.server.database, "alert_comments", CommentRow, alert_id=alert_id)
    told = await deliveries(shared, viewer, limit=DELIVERIES, alert_id=alert_id)
    return detailed(
        from_alert(row, language), [from_comment(one) for one in comments], [from_delivery(one) for one in reversed(told)]
    )


async def acknowledge(shared: State, viewer: Viewer, *, ids: Sequence[int] | None = None, up_to: int | None = None) -> list[Told]:
    """Those that were open; everybody who looks is told."""
    changed = await sql.rows(
        shared.server.database, "alerts_acknowledge", Told, ids=None if ids is None else list(ids), up_to=up_to,
        user_id=viewer.user_id, limit=ACKNOWLEDGED_AT_ONCE, **viewer.scope,
    )  # fmt: skip
    _tell(shared, changed)
    return changed


async def add_comment(shared: State, viewer: Viewer, alert_id: int, text: str) -> None:
    """Raises Problem 404 for an alert that isn't the viewer's, 400 for one with too many comments."""
    told = await sql.row(
        shared.server.database, "alert_comment_add", Told, id=alert_id, user_id=viewer.user_id, text=text, most=COMMENTS,
        **viewer.scope,
    )  # fmt: skip
    if told is None:
        await alert_seen(shared, viewer, alert_id)
        raise Problem(400, "Too many comments", f"An alert has at most {COMMENTS}.")
    _tell(shared, [told])


def _tell(shared: State, changed: Sequence[Told]) -> None:
    shared.server.bus.publish(alerts=[AlertNews(one.id, one.account_id) for one in changed])
