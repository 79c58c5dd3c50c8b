"""What the server is, and names for places."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from dashboards import auth
from dashboards.api import answers
from dashboards.problems import Problem
from dashboards.shapes import ServerOut
from dashboards.state import Shared, State

router = APIRouter(prefix="/api/server", tags=["Server"])
LANGUAGES = ("en", "ru", "kk")


@router.get("", responses=answers.shaped(ServerOut))
async def get_server(shared: Shared) -> Response:
    """What Traccar's clients want to know before anybody signs in."""
    return answers.json(_shape(shared))


@router.put("", responses=answers.shaped(ServerOut))
async def change_server(_: auth.Administrator) -> Response:
    """Refused: the server is set up by its configuration file."""
    raise Problem(405, "Not changed through the API", "Change telematics.toml and start the server again.", {"Allow": "GET"})


@router.get("/geocode", response_class=PlainTextResponse)
async def geocode(
    request: Request,
    viewer: auth.User,
    shared: Shared,
    latitude: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)],
    longitude: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)],
    language: Annotated[str | None, Query(max_length=16)] = None,
) -> Response:
    """The address when a geocoder is configured, otherwise the nearest town with distance and direction; empty at sea."""
    spoken = language or viewer.language or request.headers.get("accept-language", "")
    return PlainTextResponse(await shared.geocoder.name(latitude, longitude, first_language(spoken)))


def first_language(spoken: str) -> str:
    """The first one that we speak, in the order of preference that browsers send; English otherwise."""
    for wish in spoken[:200].split(","):
        if (code := wish.strip().lower()[:2]) in LANGUAGES:
            return code
    return "en"


def _shape(shared: State) -> ServerOut:
    return ServerOut(version=shared.server.health().version)
