"""For those who watch the server: is it well, and its figures for Prometheus.

Both are told in full to administrators and to programs on the same machine, since load and reasons are nobody else's business;
a stranger learns only whether it is up. Prometheus elsewhere sends an administrator's token.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from dashboards import auth, sql
from dashboards.api import answers
from dashboards.identity import Viewer
from dashboards.problems import Problem
from dashboards.state import Shared
from telematics.server import Health

router = APIRouter(tags=["Health"])
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
PASSED_ON = ("x-forwarded-for", "forwarded", "via", "x-real-ip")  # a proxy on this machine speaks for somebody elsewhere


@router.get("/api/health", responses=answers.shaped(Health) | {503: {"description": "Down: nothing can be stored"}})
async def health(request: Request, shared: Shared) -> Response:
    now = shared.server.health()
    # Only a local program gets details while the database is down: nobody else can be recognised then
    whole = local(request) or (now.status != "down" and await _administrator_asks(request))
    answer = answers.json(now if whole else {"status": now.status}, {"Cache-Control": "no-store"})
    answer.status_code = 503 if now.status == "down" else 200
    return answer


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    if not local(request) and not _administers(await auth.current_user(await auth.current_signed(request))):
        raise Problem(
            403, "Only for administrators", "Give Prometheus an administrator's token, or let it ask from this machine."
        )
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def _administrator_asks(request: Request) -> bool:
    """False also when the database doesn't say: an answer is wanted of all things when something is wrong."""
    try:
        return _administers(await auth.optional_user(request))
    except (Problem, *sql.UNREACHABLE):
        return False


def local(request: Request) -> bool:
    """Whether a program on this machine asks, for itself."""
    from_here = request.client is not None and request.client.host in LOOPBACK
    return from_here and not any(name in request.headers for name in PASSED_ON)


def _administers(viewer: Viewer | None) -> bool:
    return viewer is not None and viewer.administrator
