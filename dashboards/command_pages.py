"""The pages of commands: the log, live, and the saved ones. `mount(app, pages)` adds them.

Lists come from the server whole; what is sent, saved or taken back goes through the JSON API. The words of types, states and
reasons stand in templates/parts/command_words.html, for templates and scripts alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, Response

from dashboards import sql
from dashboards.alert_pages import Before, Word, number_in
from dashboards.group_paths import group_choices
from dashboards.orders import STATES, CommandRow, SavedRow
from dashboards.pages import MAX_PAGE, PAGE_ROWS, AccountName, Guest, Pages, to_login
from dashboards.state import Shared
from protocols.commands import BY_NAME

ROWS = 50


@dataclass(frozen=True, slots=True)
class Fact:
    """A parameter of a command. `title` and `unit` are English, for command_words.html."""

    title: str
    value: Any
    unit: str


def facts(kind: str, parameters: Mapping[str, Any]) -> list[Fact]:
    """In the order of its type; what the type no longer knows comes last, by its bare name."""
    known = BY_NAME[kind].parameters if kind in BY_NAME else ()
    found = [Fact(one.title, parameters[one.name], one.unit) for one in known if one.name in parameters]
    names = {one.name for one in known}
    return found + [Fact(name, value, "") for name, value in parameters.items() if name not in names]


class CommandPages:
    """The routes, with the pages' own way to render."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        self.router.add_api_route("/commands", self.log)
        self.router.add_api_route("/commands/saved", self.saved)

    async def log(
        self,
        request: Request,
        viewer: Guest,
        shared: Shared,
        device: Word = "",
        state: Word = "",
        before: Before = None,
    ) -> Response:
        if viewer is None:
            return to_login(request)
        device_id, state = number_in(device), state if state in STATES else ""
        found = await sql.rows(
            shared.server.database,
            "commands",
            CommandRow,
            ids=None,
            before=before,
            device_id=device_id,
            states=[state] if state else None,
            limit=ROWS + 1,
            offset=0,
            **viewer.scope,
        )
        rows = found[:ROWS]
        known = shared.server.devices.get(device_id) if device_id else None
        chosen = {"state": state, "device": device_id or ""}
        return self.pages.page(
            request,
            viewer,
            "commands.html",
            entry="commands",
            here="commands",
            rows=[(row, facts(row.type, row.parameters)) for row in rows],
            older=rows[-1].id if len(found) > ROWS else None,
            before=before,
            chosen=chosen,
            address=urlencode({name: value for name, value in chosen.items() if value}),
            device_name=known.name if known and viewer.sees(known) and not known.blocked else "",
            states=STATES,
        )

    async def saved(
        self, request: Request, viewer: Guest, shared: Shared, page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1
    ) -> Response:
        if viewer is None:
            return to_login(request)
        database = shared.server.database
        pages = max(1, -(-await sql.value(database, "saved_commands_count", **viewer.scope) // PAGE_ROWS))
        number = min(page, pages)
        which = {"id": None, "limit": PAGE_ROWS, "offset": (number - 1) * PAGE_ROWS}
        rows = await sql.rows(database, "saved_commands", SavedRow, **which, **viewer.scope)
        accounts = await sql.rows(database, "page_accounts", AccountName) if viewer.administrator else []
        groups = await group_choices(database, viewer) if viewer.sends != "none" else []
        return self.pages.page(
            request,
            viewer,
            "commands_saved.html",
            entry="commands",
            here="commands",
            data={"accountId": viewer.account_id},
            rows=[(row, facts(row.type, row.parameters)) for row in rows],
            number=number,
            pages=pages,
            account_names={account.id: account.name for account in accounts},
            accounts=[{"id": account.id, "name": account.name} for account in accounts],
            groups=[{"id": one.id, "name": one.path, "accountId": one.account_id} for one in groups],
        )


def mount(app: FastAPI, pages: Pages) -> None:
    app.include_router(CommandPages(pages).router)
