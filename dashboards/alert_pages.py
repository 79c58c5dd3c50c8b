"""The pages of alerts: the feed, what became of each, the rules. `mount(app, pages)` adds them.

Lists come from the server whole, a page at a time, and are links; what is changed goes through the JSON API.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from dashboards import sql
from dashboards.api.alerts import alerts, detail
from dashboards.api.deliveries import deliveries
from dashboards.api.parameters import LARGEST_ID, LARGEST_POSITION_ID
from dashboards.identity import Viewer
from dashboards.notices import AlertDetail, from_alert, from_delivery, language_of
from dashboards.pages import AccountName, Guest, Pages, to_login
from dashboards.problems import Problem
from dashboards.state import Shared, State
from telematics.alerts.matching import ACCOUNT_TYPES, CHANNELS, STATES, TYPES

ROWS = 50
ZONES = 500  # in a filter; more than anybody scrolls through
DELAYED = timedelta(minutes=5)  # between an event and its alert; from then on the feed, which is in order of arrival, says so
PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}
NUMBER = Query(ge=1, le=LARGEST_POSITION_ID)
Before = Annotated[int | None, NUMBER]
PageId = Annotated[int, Path(ge=1, le=LARGEST_POSITION_ID)]
RuleId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Word = Annotated[str, Query(max_length=64)]


@dataclass(frozen=True, slots=True)
class Choice:
    """Of a filter: a vehicle or zone."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Filter:
    """What the feed shows, as the address says it. An unknown word counts as none: old links should show something."""

    type: str = ""
    device: int | None = None
    zone: int | None = None
    state: str = "open"  # or acknowledged, all
    period: str = ""

    @property
    def address(self) -> str:
        shown = {"type": self.type, "device": self.device, "zone": self.zone, "state": self.state, "period": self.period}
        return urlencode({name: value for name, value in shown.items() if value and (name, value) != ("state", "open")})

    @property
    def which(self) -> dict[str, Any]:
        """For `alerts`."""
        return {
            "types": [self.type] if self.type else None,
            "device_ids": [self.device] if self.device else None,
            "zone_ids": [str(self.zone)] if self.zone else None,
            "acknowledged": {"open": False, "acknowledged": True}.get(self.state),
            "since": since(self.period),
        }


def since(period: str) -> datetime | None:
    return datetime.now(UTC) - PERIODS[period] if period in PERIODS else None


def chosen(
    type: Word = "",  # noqa: A002, RUF100 - the address's own words
    device: Word = "",
    zone: Word = "",
    state: Word = "open",
    period: Word = "",
) -> Filter:
    """What of an address makes sense; the rest is as if it weren't there."""
    return Filter(
        type=type if type in (*TYPES, *ACCOUNT_TYPES) else "",
        device=number_in(device),
        zone=number_in(zone),
        state=state if state in ("open", "acknowledged", "all") else "open",
        period=period if period in PERIODS else "",
    )


Chosen = Annotated[Filter, Depends(chosen)]


class AlertPages:
    """The routes, with the pages' own way to render."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        add = self.router.add_api_route
        add("/alerts", self.feed)
        add("/alerts/{alert_id}", self.alert)
        add("/deliveries", self.deliveries)
        add("/rules", self.rules)
        add("/rules/new", self.new_rule)
        add("/rules/{rule_id}", self.rule)

    async def feed(
        self,
        request: Request,
        viewer: Guest,
        shared: Shared,
        chosen: Chosen,
        before: Before = None,
    ) -> Response:
        if viewer is None:
            return to_login(request)
        return await self._feed(request, viewer, shared, chosen, before, None)

    async def alert(
        self,
        request: Request,
        viewer: Guest,
        shared: Shared,
        alert_id: PageId,
        chosen: Chosen,
        before: Before = None,
    ) -> Response:
        """The feed, with this one opened."""
        if viewer is None:
            return to_login(request)
        try:
            opened = await detail(shared, viewer, alert_id, language_of(request, viewer))
        except Problem:
            return self.pages.page(request, viewer, "missing.html", status=404)
        return await self._feed(request, viewer, shared, chosen, before, opened)

    async def _feed(
        self, request: Request, viewer: Viewer, shared: State, chosen: Filter, before: int | None, opened: AlertDetail | None
    ) -> Response:
        rows = await alerts(shared, viewer, limit=ROWS + 1, before=before, **chosen.which)
        language = language_of(request, viewer)
        device = shared.server.devices.get(chosen.device) if chosen.device else None
        return self.pages.page(
            request,
            viewer,
            "alerts.html",
            entry="alerts",
            here="alerts",
            rows=[from_alert(row, language) for row in rows[:ROWS]],
            delayed={row.id for row in rows if row.attributes.get("late") or row.created_at - row.time > DELAYED},
            older=rows[ROWS - 1].id if len(rows) > ROWS else None,
            before=before,
            chosen=chosen,
            device_name=device.name if device and viewer.sees(device) else "",
            zones=await sql.rows(shared.server.database, "page_zones", Choice, limit=ZONES, **viewer.scope),
            types=(*TYPES, *ACCOUNT_TYPES),
            opened=opened,
        )

    async def deliveries(
        self,
        request: Request,
        viewer: Guest,
        shared: Shared,
        state: Word = "",
        channel: Word = "",
        period: Word = "",
        before: Before = None,
    ) -> Response:
        if viewer is None:
            return to_login(request)
        state, channel = state if state in STATES else "", channel if channel in CHANNELS else ""
        period = period if period in PERIODS else ""
        found = await deliveries(
            shared, viewer, limit=ROWS + 1, before=before, state=state or None, channel=channel or None, since=since(period)
        )
        rows = found[:ROWS]
        ids = sorted({row.alert_id for row in rows})
        language = language_of(request, viewer)
        told = {row.id: from_alert(row, language) for row in await alerts(shared, viewer, limit=len(ids), ids=ids)}
        chosen = {"state": state, "channel": channel, "period": period}
        return self.pages.page(
            request,
            viewer,
            "deliveries.html",
            entry="alerts",
            here="alerts",
            rows=[(from_delivery(row), told.get(row.alert_id)) for row in rows],
            older=rows[-1].id if len(found) > ROWS else None,
            before=before,
            chosen=chosen,
            address=urlencode({name: value for name, value in chosen.items() if value}),
            states=STATES,
            channels=CHANNELS,
        )

    async def rules(self, request: Request, viewer: Guest) -> Response:
        return await self._rules(request, viewer, "rules.html", {})

    async def new_rule(
        self, request: Request, viewer: Guest, like: Annotated[int | None, Query(alias="from", ge=1, le=LARGEST_ID)] = None
    ) -> Response:
        return await self._rules(request, viewer, "rule.html", {"rule": 0, "from": like})

    async def rule(self, request: Request, viewer: Guest, rule_id: RuleId) -> Response:
        return await self._rules(request, viewer, "rule.html", {"rule": rule_id})

    async def _rules(self, request: Request, viewer: Viewer | None, template: str, data: dict[str, Any]) -> Response:
        if viewer is None:
            return to_login(request)
        settings = self.pages.server.settings
        ready = {"mail": bool(settings.mail.host), "sms": bool(settings.sms.url)}
        accounts: list[AccountName] = []
        if viewer.administrator:
            accounts = await sql.rows(self.pages.server.database, "page_accounts", AccountName)
        styles = {"styleUrl": settings.map.style_url, "styleUrlDark": settings.map.style_url_dark}
        data = {"map": styles, "ready": ready, "accountId": viewer.account_id, **data}
        return self.pages.page(request, viewer, template, entry="rules", here="alerts", data=data, accounts=accounts)


def number_in(text: str) -> int | None:
    """Of an address; what is no number of the database's is none."""
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text[:12]) <= LARGEST_ID else None


def mount(app: FastAPI, pages: Pages) -> None:
    app.include_router(AlertPages(pages).router)
