"""Who was told of alerts, by what, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.parameters import LARGEST_POSITION_ID, Instant
from dashboards.identity import Viewer
from dashboards.notices import DeliveryOut, DeliveryRow, from_delivery
from dashboards.problems import Problem
from dashboards.state import Shared, State
from telematics.alerts.matching import CHANNELS, STATES

router = APIRouter(prefix="/api/deliveries", tags=["Alerts"])
Before = Annotated[int | None, Query(ge=1, le=LARGEST_POSITION_ID, description="only those with smaller numbers: the next page")]
Limit = Annotated[int, Query(ge=1, le=500)]
Since = Annotated[Instant | None, Query(alias="from", description="ISO 8601")]
Until = Annotated[Instant | None, Query(alias="to", description="ISO 8601")]


@router.get("", responses=answers.shaped(list[DeliveryOut]))
async def list_deliveries(
    viewer: auth.User,
    shared: Shared,
    before: Before = None,
    since: Since = None,
    until: Until = None,
    alert_id: Annotated[int | None, Query(alias="alertId", ge=1, le=LARGEST_POSITION_ID)] = None,
    state: str | None = None,
    channel: str | None = None,
    limit: Limit = 100,
) -> Response:
    """The newest first; `from` and `to` are of the time they were made."""
    for given, known, name in ((state, STATES, "state"), (channel, CHANNELS, "channel")):
        if given is not None and given not in known:
            raise Problem(400, f"There is no such {name}", f"Known are {', '.join(known)}.")
    found = await deliveries(
        shared, viewer, before=before, limit=limit, alert_id=alert_id, state=state, channel=channel, since=since, until=until
    )
    return await answers.listed(found, from_delivery)


async def deliveries(shared: State, viewer: Viewer, *, limit: int, **which: Any) -> list[DeliveryRow]:
    """Those that the viewer may see and that fit all that is given."""
    names = ("before", "alert_id", "state", "channel", "since", "until")
    parameters = {name: which.get(name) for name in names}
    return await sql.rows(shared.server.database, "deliveries", DeliveryRow, limit=limit, **parameters, **viewer.scope)
