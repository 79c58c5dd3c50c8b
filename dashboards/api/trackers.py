"""Trackers that report and are nobody's, to be adopted with a click.

Their numbers belong to whoever bought them, so the whole list is for administrators. Others may ask for a number that they
know, as it stands on the tracker, and adopt that.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from dashboards import auth, sql
from dashboards.api import answers, devices
from dashboards.api.parameters import Name, Paged
from dashboards.audited import Author
from dashboards.problems import Problem, not_found
from dashboards.shapes import DeviceOut, UnknownOut, instant
from dashboards.state import Shared
from telematics.store.records import UnknownTracker

router = APIRouter(prefix="/api/unknown-trackers", tags=["Unknown trackers"])


class Adoption(devices.NewDevice):
    protocol: Name | None = None


@router.get("", responses=answers.shaped(list[UnknownOut]))
async def list_unknown(
    viewer: auth.User,
    shared: Shared,
    page: Paged,
    request: Request,
    unique_id: Annotated[Name | None, Query(alias="uniqueId")] = None,
) -> Response:
    """Administrators: all, the last heard first. Others: the one with exactly this uniqueId."""
    if unique_id is None and not viewer.administrator:
        raise Problem(403, "The whole list is for administrators", "Ask for one tracker by `uniqueId`, as it stands on it.")
    total = await sql.value(shared.server.database, "unknown_trackers_count", unique_id=unique_id)
    found = await sql.rows(shared.server.database, "unknown_trackers", UnknownTracker, unique_id=unique_id, **page.sql)
    whole = viewer.administrator  # the address tells where another customer's tracker is
    return await answers.listed(found, lambda row: _shape(row, with_address=whole), page.headers(total, request))


@router.post("/adopt", responses=answers.shaped(DeviceOut))
async def adopt(adoption: Adoption, author: Author, shared: Shared) -> Response:
    """Make it a device of the viewer's account; administrators may name another account."""
    known = await sql.rows(
        shared.server.database, "unknown_trackers", UnknownTracker, unique_id=adoption.unique_id, limit=100, offset=0
    )
    if not any(adoption.protocol in (None, row.protocol) for row in known):
        raise not_found("unknown tracker")
    return answers.json(await devices.create(shared, author, adoption))


@router.delete("", status_code=204, response_class=Response)
async def remove_unknown(
    _: auth.Administrator,
    shared: Shared,
    unique_id: Annotated[Name, Query(alias="uniqueId")],
    protocol: Annotated[Name | None, Query()] = None,
) -> Response:
    """Off the list, until it is heard again."""
    if not await sql.run(shared.server.database, "unknown_tracker_remove", unique_id=unique_id, protocol=protocol):
        raise not_found("unknown tracker")
    return Response(status_code=204)


def _shape(row: UnknownTracker, *, with_address: bool) -> UnknownOut:
    return UnknownOut(
        row.protocol,
        row.unique_id,
        row.address if with_address else "",
        instant(row.first_heard),
        instant(row.last_heard),
        row.count,
    )
