"""The pages: rendered on the server with Jinja2, whole before any script runs. `mount(app, server)` adds them and their files.

Texts are in `locale/` (gettext, by Babel): `_()` in templates, `t()` in TypeScript, one catalogue for both; a page carries those
that its scripts use as JSON. Scripts and style sheets are what `hatch_build.py` has made of `web/`.
"""

from __future__ import annotations

import asyncio
import gettext
import json
import mimetypes
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import jinja2
import msgspec
import structlog
from babel import negotiate_locale
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from dashboards import allowed, sql
from dashboards.auth import Viewer, optional_user
from dashboards.basemap import towns_of
from dashboards.cabinet import bill_of
from dashboards.doors import doors
from dashboards.figures import filters
from dashboards.group_paths import group_choices
from dashboards.problems import Problem, answer
from dashboards.state import of
from telematics.server import Server

log = structlog.get_logger(__name__)
HERE = Path(__file__).parent
LANGUAGES = {"en": "English", "ru": "Русский", "kk": "Қазақша"}
THEMES = ("auto", "light", "dark")
PAGE_ROWS = 50
UNKNOWN_ROWS = 20  # the last heard; more than a person adopts at a sitting
MAX_PAGE = 1_000_000


class Assets(msgspec.Struct, frozen=True):
    """What a page loads, as Vite's manifest tells."""

    script: str
    styles: list[str]
    preloads: list[str]


class NotBuilt(Exception):
    """The front end is not there. Install the project (`pip install -e .`), which builds it."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is missing: the pages have not been built. Install the project again: pip install -e .")


@cache
def assets(entry: str) -> Assets:
    path = HERE / "static" / "dist" / "manifest.json"
    if not path.exists():
        raise NotBuilt(path)
    manifest = json.loads(path.read_bytes())
    chunk = manifest[f"src/{entry}.ts"]
    chunks = [chunk, *(manifest[name] for name in _imports(manifest, chunk))]
    return Assets(
        script=_address(chunk["file"]),
        styles=[_address(sheet) for one in reversed(chunks) for sheet in one.get("css", [])],
        preloads=[_address(one["file"]) for one in chunks[1:]],
    )


def _imports(manifest: Mapping[str, Any], chunk: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for name in chunk.get("imports", []):
        found += [name, *_imports(manifest, manifest[name])]
    return list(dict.fromkeys(found))


def _address(file: str) -> str:
    return f"/static/dist/{file}"


@cache
def translations(language: str) -> gettext.NullTranslations:
    """English is the language of the source, so that a missing catalogue is no error."""
    return gettext.translation("messages", HERE / "locale", [language], fallback=True)


@cache
def script_messages(language: str) -> dict[str, Any]:
    path = HERE / "static" / "dist" / "messages" / f"{language}.json"
    return json.loads(path.read_bytes()) if path.exists() else {}


@cache
def templates(language: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters(language))
    environment.install_gettext_translations(translations(language), newstyle=False)  # type: ignore[attr-defined]
    return environment


def language_of(request: Request, viewer: Viewer | None) -> str:
    """As chosen on this device, else as the user's record says, else as the browser asks."""
    wanted = [request.cookies.get("language"), viewer and viewer.language]
    for language in wanted:
        if language in LANGUAGES:
            return language
    header = request.headers.get("accept-language", "")[:200]
    asked = [part.split(";")[0].strip().replace("-", "_") for part in header.split(",")]
    return negotiate_locale([one for one in asked if one], list(LANGUAGES)) or "en"


@dataclass(frozen=True, slots=True)
class Tracker:
    """A row of `page_trackers.sql`."""

    id: int
    unique_id: str
    name: str
    model: str | None
    phone: str | None
    disabled: bool
    account: str | None
    group_name: str | None
    account_id: int
    blocked: str | None


@dataclass(frozen=True, slots=True)
class Block:
    """Why a tracker doesn't work, and what it costs to let it; `cost` None: that isn't its owner's to decide."""

    kind: str
    unpaid: str | None
    reason: str
    cost: int | None
    currency: str
    account_id: int


@dataclass(frozen=True, slots=True)
class TrackerRow:
    """A line of the trackers page."""

    id: int
    unique_id: str
    name: str
    model: str | None
    phone: str | None
    disabled: bool
    account: str | None  # for administrators, who see those of all accounts
    group_name: str | None
    status: str
    heard: datetime | None
    block: Block | None


@dataclass(frozen=True, slots=True)
class Device:
    """A row of `devices.sql`, or an empty form."""

    id: int = 0
    account_id: int = 0
    unique_id: str = ""
    name: str = ""
    phone: str | None = None
    model: str | None = None
    contact: str | None = None
    category: str | None = None
    disabled: bool = False
    group_id: int | None = None
    attributes: dict[str, Any] = msgspec.UNSET  # type: ignore[assignment]
    blocked: str | None = None


@dataclass(frozen=True, slots=True)
class UnknownTracker:
    """A row of `unknown_trackers.sql`."""

    protocol: str
    unique_id: str
    address: str
    first_heard: datetime
    last_heard: datetime
    count: int


@dataclass(frozen=True, slots=True)
class AccountName:
    id: int
    name: str


class Pages:
    """The routes, with the server they show."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._warm: asyncio.Task[None] | None = None  # kept, or the loop forgets it
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        add = self.router.add_api_route
        add("/", self.live)
        add("/login", self.login)
        add("/history", self.history)
        add("/zones", self.zones)
        add("/trackers", self.trackers)
        add("/trackers/new", self.new_tracker)
        add("/trackers/{device_id}/edit", self.edit_tracker)
        add("/trackers/{device_id}/remove", self.remove_tracker)
        add("/account", self.account)
        add("/map/towns/{cell}", self.towns)

    async def live(self, request: Request, viewer: Guest) -> Response:
        if viewer is None:
            return to_login(request)
        data = {"map": self._map(), "allowed": await allowed.for_page(of(request), viewer)}
        return self.page(request, viewer, "live.html", entry="live", here="live", data=data)

    async def login(self, request: Request, viewer: Guest, next: str = "/") -> Response:  # noqa: A002, RUF100 - the address's own word
        target = next if is_local(next) else "/"
        if viewer is not None:
            return RedirectResponse(target, 303)
        self._warm = asyncio.create_task(warm(request))
        return self.page(request, None, "login.html", entry="plain", here="", next=target)

    async def history(self, request: Request, viewer: Guest, device: Annotated[int | None, Query()] = None) -> Response:
        if viewer is None:
            return to_login(request)
        found = None if device is None else self.server.devices.get(device)
        if found is not None and (found.blocked or not viewer.sees(found)):
            found = None
        shown = found and {"id": found.id, "name": found.name}
        data = {"map": self._map(), "device": shown, "allowed": await allowed.for_page(of(request), viewer)}
        return self.page(request, viewer, "history.html", entry="history", here="history", data=data, device=shown)

    async def zones(self, request: Request, viewer: Guest) -> Response:
        if viewer is None:
            return to_login(request)
        accounts = await self._accounts(viewer)
        data = {"map": self._map(), "allowed": await allowed.for_page(of(request), viewer)}
        return self.page(request, viewer, "zones.html", entry="zones", here="zones", data=data, accounts=accounts)

    async def trackers(
        self,
        request: Request,
        viewer: Guest,
        q: Annotated[str, Query(max_length=128)] = "",
        page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
    ) -> Response:
        if viewer is None:
            return to_login(request)
        like = "%" + q.strip().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        count = await sql.value(self.server.database, "page_trackers_count", like=like, **viewer.scope)
        pages = max(1, -(-count // PAGE_ROWS))
        number = min(page, pages)
        offset = (number - 1) * PAGE_ROWS
        rows = await sql.rows(
            self.server.database, "page_trackers", Tracker, like=like, limit=PAGE_ROWS, offset=offset, **viewer.scope
        )
        blocks = await self._blocks(rows)
        known, host = doors(self.server), self.host(request)
        return self.page(
            request,
            viewer,
            "trackers.html",
            entry="trackers",
            here="trackers",
            rows=[self._row(row, viewer, blocks.get(row.id)) for row in rows],
            q=q,
            number=number,
            pages=pages,
            data={"doors": [door.data for door in known], "host": host},
            doors=known,
            host=host,
            **await self._unknown(viewer),
        )

    async def new_tracker(
        self,
        request: Request,
        viewer: Guest,
        unique_id: Annotated[str, Query(alias="uniqueId", max_length=128)] = "",
        protocol: Annotated[str, Query(max_length=32)] = "",
    ) -> Response:
        allowed = editing(viewer)
        device = Device(account_id=allowed.account_id, unique_id=unique_id, attributes={})
        return await self._form(request, allowed, device, protocol)

    async def edit_tracker(self, request: Request, viewer: Guest, device_id: int) -> Response:
        allowed = editing(viewer)
        return await self._form(request, allowed, await self._device(allowed, device_id), "")

    async def remove_tracker(self, request: Request, viewer: Guest, device_id: int) -> Response:
        allowed = editing(viewer)
        device = await self._device(allowed, device_id)
        return self.page(request, allowed, "parts/tracker_remove.html", device=device)

    async def account(self, request: Request, viewer: Guest) -> Response:
        if viewer is None:
            return to_login(request)
        tariff = await allowed.allowance(of(request), viewer)
        return self.page(request, viewer, "account.html", entry="plain", here="account", tariff=tariff)

    async def towns(self, request: Request, viewer: Guest, cell: str, language: str = "en") -> Response:
        """Of a cell of the offline base map, see `basemap.py`."""
        if viewer is None:
            raise Problem(401, "Nobody is signed in", "Log in and try again.")
        try:
            known = await of(request).geocoder.towns()
        except Exception as error:
            log.warning("the list of towns can't be loaded", error=repr(error))
            raise Problem(503, "No towns", "The list of towns can't be read now.") from error
        rows = await asyncio.to_thread(towns_of, known, cell, language)
        if rows is None:
            raise Problem(404, "No such cell", "Cells are named by their corner in tens of degrees, such as 7_4.")
        return Response(msgspec.json.encode(rows), 200, {"Cache-Control": "private, max-age=86400"}, "application/json")

    async def missing(self, request: Request, error: Exception) -> Response:
        """For people a page, for programs a problem."""
        if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
            return answer(404, "Not Found")
        viewer = await optional_user(request)
        if viewer is None:
            return to_login(request)
        return self.page(request, viewer, "missing.html", status=404)

    def page(
        self,
        request: Request,
        viewer: Viewer | None,
        template: str,
        entry: str = "plain",
        here: str = "",
        status: int = 200,
        data: Mapping[str, Any] | None = None,
        **context: Any,
    ) -> Response:
        language = language_of(request, viewer)
        theme = request.cookies.get("theme", "auto")
        who = viewer and {
            "id": viewer.user_id,
            "name": viewer.name,
            "administrator": viewer.administrator,
            "readonly": viewer.readonly,
            "commands": viewer.sends,
        }
        settings = self.server.settings
        commands = {"sms": bool(settings.sms.url), "slowKmh": settings.commands.slow_kmh}
        html = (
            templates(language)
            .get_template(template)
            .render(
                language=language,
                languages=LANGUAGES,
                theme=theme if theme in THEMES else "auto",
                viewer=viewer,
                here=here,
                assets=assets(entry),
                page={"language": language, "viewer": who, **({"commands": commands} if viewer else {}), **(data or {})},
                messages=script_messages(language),
                **context,
            )
        )
        return HTMLResponse(html, status, {"Cache-Control": "no-store", "Vary": "Accept-Language, Cookie"})

    async def _form(self, request: Request, viewer: Viewer, device: Device, protocol: str) -> Response:
        accounts = await self._accounts(viewer)
        groups = await group_choices(self.server.database, viewer)
        form = "parts/tracker_form.html"
        return self.page(request, viewer, form, device=device, protocol=protocol, accounts=accounts, groups=groups)

    async def _accounts(self, viewer: Viewer) -> list[AccountName]:
        """For administrators, who choose whose a thing is."""
        return await sql.rows(self.server.database, "page_accounts", AccountName) if viewer.administrator else []

    async def _device(self, viewer: Viewer, device_id: int) -> Device:
        found = await sql.row(
            self.server.database,
            "devices",
            Device,
            ids=[device_id],
            unique_ids=None,
            with_blocked=True,
            limit=1,
            offset=0,
            **viewer.scope,
        )
        if found is None:
            raise Problem(404, "No such tracker", "There is none with this number, or it isn't yours.")
        return found

    async def _unknown(self, viewer: Viewer) -> dict[str, Any]:
        if not viewer.administrator:
            return {}
        database = self.server.database
        unknown = await sql.rows(database, "unknown_trackers", UnknownTracker, unique_id=None, limit=UNKNOWN_ROWS, offset=0)
        return {"unknown": unknown, "unknown_count": await sql.value(database, "unknown_trackers_count", unique_id=None)}

    async def _blocks(self, rows: Sequence[Tracker]) -> dict[int, Block]:
        """Of those that are blocked, with the price as it would be charged now."""
        blocked = {row.id: row.account_id for row in rows if row.blocked}
        found = {}
        for account_id in sorted(set(blocked.values())):
            async with self.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
                bill = await bill_of(connection, account_id)
            for tracker in bill.found:
                if tracker.device_id in blocked and tracker.blocked:
                    row = bill.row(tracker)
                    block = Block(tracker.blocked, row.unpaid, row.reason, row.unblock_cost, bill.currency, account_id)
                    found[tracker.device_id] = block
        return found

    def _row(self, row: Tracker, viewer: Viewer, block: Block | None) -> TrackerRow:
        status = self.server.status(row.id)
        return TrackerRow(
            id=row.id,
            unique_id=row.unique_id,
            name=row.name,
            model=row.model,
            phone=row.phone,
            disabled=row.disabled,
            account=row.account if viewer.administrator else None,
            group_name=row.group_name,
            status=status.status,
            heard=status.heard,
            block=block,
        )

    def _map(self) -> dict[str, str]:
        settings = self.server.settings.map
        return {"styleUrl": settings.style_url, "styleUrlDark": settings.style_url_dark}

    def host(self, request: Request) -> str:
        """How this browser reaches the server; trackers usually reach it by the same name."""
        return request.url.hostname or "localhost"


Guest = Annotated[Viewer | None, Depends(optional_user)]


async def warm(request: Request) -> None:
    """Whoever logs in sees a map next, and its towns take some seconds to read for the first time."""
    with suppress(Exception):  # told when a map asks for them
        await of(request).geocoder.towns()


def editing(viewer: Viewer | None) -> Viewer:
    if viewer is None:
        raise Problem(401, "Nobody is signed in", "Log in and try again.")
    if viewer.readonly:
        raise Problem(403, "You may only look", "Ask an administrator for the right to change things.")
    return viewer


def to_login(request: Request) -> Response:
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse("/login" if wanted == "/" else f"/login?next={quote(wanted)}", 303)


def is_local(address: str) -> bool:
    """Whether it stays on this server: browsers read // and /\\ as another one, and drop tabs and line ends before they look."""
    return address.startswith("/") and address[1:2] not in ("/", "\\") and address.isprintable()


class Statics(StaticFiles):
    """Static files, compressed at build time where that helps; those with a hash in their name are kept for good."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        accepts = next((value for name, value in scope["headers"] if name == b"accept-encoding"), b"")
        if b"gzip" in accepts and scope["method"] in ("GET", "HEAD"):
            try:
                response = await super().get_response(f"{path}.gz", scope)
            except HTTPException:
                pass
            else:
                response.headers["Content-Encoding"] = "gzip"
                response.headers["Content-Type"] = mimetypes.guess_type(path)[0] or "application/octet-stream"
                return self._kept(path, response)
        return self._kept(path, await super().get_response(path, scope))

    def _kept(self, path: str, response: Response) -> Response:
        response.headers["Vary"] = "Accept-Encoding"
        hashed = path.startswith("dist/assets/")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "public, max-age=3600"
        return response


mimetypes.add_type("text/javascript", ".mjs")


def mount(app: FastAPI, server: Server) -> Pages:
    """Pages and static files, and a page for addresses that aren't there."""
    assets("live")  # a server without its pages should say so when it starts, not to the first visitor
    pages = Pages(server)
    app.include_router(pages.router)
    app.mount("/static", Statics(directory=HERE / "static"), name="static")
    app.add_exception_handler(404, pages.missing)
    return pages
