"""The page that shows what a tracker and the server say to each other, live. `mount(app, pages)` adds it.

The page comes with nothing heard yet: what is said comes by `/api/listen` (`api/listen.py`) and is kept by the browser alone.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dashboards import sql
from dashboards.api.parameters import LARGEST_ID
from dashboards.doors import doors
from dashboards.identity import Viewer
from dashboards.pages import Guest, Pages, UnknownTracker, to_login
from dashboards.shapes import instant


class ListenPages:
    """The routes, with the pages' own way to render."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.server = pages.server
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        self.router.add_api_route("/listen", self.stranger)
        self.router.add_api_route("/listen/{device_id}", self.device)

    async def device(self, request: Request, viewer: Guest, device_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]) -> Response:
        """Of the viewer's own."""
        if viewer is None:
            return to_login(request)
        device = self.server.devices.get(device_id)
        if device is None or device.blocked or not viewer.sees(device):
            return self.pages.page(request, viewer, "missing.html", status=404)
        status = self.server.status(device_id)
        whom = {"deviceId": device.id, "uniqueId": device.unique_id, "name": device.name}
        whom |= {"protocol": self.server.protocol_of(device), "heard": instant(status.heard) if status.heard else None}
        return self._page(request, viewer, whom, disabled=device.disabled)

    async def stranger(self, request: Request, viewer: Guest, unique_id: Annotated[str, Query(max_length=128)] = "") -> Response:
        """For administrators: a tracker that is nobody's yet, by what it calls itself."""
        if viewer is None:
            return to_login(request)
        if not viewer.administrator:
            return self.pages.page(request, viewer, "missing.html", status=404)
        unique_id = unique_id.strip()
        known = self.server.devices.named(unique_id)
        if known is not None and not known.blocked:
            return RedirectResponse(f"/listen/{known.id}", 303)
        if not unique_id:
            return RedirectResponse("/trackers#unknown", 303)
        rows = await sql.rows(self.server.database, "unknown_trackers", UnknownTracker, unique_id=unique_id, limit=1, offset=0)
        whom = {"deviceId": None, "uniqueId": unique_id, "name": unique_id}
        whom |= {"protocol": rows[0].protocol if rows else "", "heard": instant(rows[0].last_heard) if rows else None}
        return self._page(request, viewer, whom, disabled=False)

    def _page(self, request: Request, viewer: Viewer, whom: dict[str, Any], *, disabled: bool) -> Response:
        known = doors(self.server)
        return self.pages.page(
            request,
            viewer,
            "listen.html",
            entry="listen",
            here="trackers",
            data={"listen": whom},
            whom=whom,
            door=next((door for door in known if door.protocol == whom["protocol"]), None),
            doors=known,
            host=self.pages.host(request),
            disabled=disabled,
        )


def mount(app: FastAPI, pages: Pages) -> None:
    app.include_router(ListenPages(pages).router)
