"""Single events; lists of them are reports."""

from __future__ import annotations

from fastapi import APIRouter, Response

from dashboards import auth, sql
from dashboards.allowed import Past
from dashboards.api import answers
from dashboards.api.parameters import EventId
from dashboards.problems import not_found
from dashboards.shapes import EventOut, EventRow, from_event
from dashboards.state import Shared

router = APIRouter(prefix="/api/events", tags=["Events"])


@router.get("/{event_id}", responses=answers.shaped(EventOut))
async def get_event(event_id: EventId, viewer: auth.User, shared: Shared, past: Past) -> Response:
    row = await sql.row(shared.server.database, "event", EventRow, id=event_id, **viewer.scope, **past.sql)
    if row is None:
        raise not_found("event")
    return answers.json(from_event(row, row.id))
