"""The operator's pages: what the provider's administrators see of everybody's money. `mount(app, pages)` adds them.

Everything here is read; what is done goes through forms (`operator_forms.py`) that say what will come of it, and then through the
JSON API, like everything that moves money. To others than administrators these addresses are not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from billing import sql as billing_sql
from billing.catalogue import Tariff, all_tariffs
from billing.forecast import outlook
from billing.numbers import account_of
from billing.payments import table
from billing.rules import share
from dashboards import sql
from dashboards.api.parameters import LARGEST_ID, LARGEST_POSITION_ID
from dashboards.operator_bank import BankPreview
from dashboards.operator_figures import DAYS, FAR_DAYS, Figures, Income
from dashboards.operator_forms import OperatorForms
from dashboards.operator_rows import (
    AccountRow,
    AccountView,
    AuditRow,
    BankLineRow,
    DefaultsRow,
    EntryRow,
    NameRow,
    PaymentRow,
    RefundRow,
    TrackerRow,
)
from dashboards.operator_words import speech
from dashboards.pages import MAX_PAGE, Guest, Pages, to_login
from telematics.store.database import Database

ROWS = 50
STATES = ("running", "blocked", "undecided")  # of accounts
SORTS = ("name", "-name", "number", "-number", "balance", "-balance", "days")
SHOWN = ("trackers", "ledger", "payments", "refunds", "audit")  # of an account
PAYMENT_STATES = ("created", "pending", "paid", "failed", "expired", "mismatched", "refunded", "disputed", "lost")
OPEN_REFUNDS = ("requested", "paying")
KINDS = {  # what the ledger of an account can be narrowed to
    "money": ["topup", "bonus"],
    "charges": ["connection", "daily", "sms", "sms_settled", "sms_returned"],
    "reversals": ["reversal"],
    "refunds": ["refund_requested", "refund_returned", "refund", "dispute", "dispute_won"],
}
Word = Annotated[str, Query(max_length=128)]
Number = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Before = Annotated[int | None, Query(ge=1, le=LARGEST_POSITION_ID)]
AccountId = Annotated[int, Path(ge=1, le=LARGEST_ID)]


@dataclass(frozen=True, slots=True)
class Bar:
    """Of the chart: a day's income and its share of the greatest, in percent."""

    day: date
    amount: int
    percent: float


@dataclass(frozen=True, slots=True)
class IncomeView:
    """Of one currency."""

    currency: str
    bars: list[Bar]
    days: list[Income]  # with something to tell, the newest first
    months: list[Income]
    total: Income  # of the days


@dataclass(frozen=True, slots=True)
class MonthView:
    """How the price of a month falls on its days: rounding makes some a unit dearer."""

    day: date  # the first
    shares: list[tuple[int, int]]  # amount, on how many days


class OperatorPages:
    """The routes, with the pages' own way to render."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.figures = Figures(self.database)
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        add = self.router.add_api_route
        add("/operator", self.overview)
        add("/operator/accounts", self.accounts)
        add("/operator/accounts/{account_id}", self.account)
        add("/operator/payments", self.payments)
        add("/operator/refunds", self.refunds)
        add("/operator/bank", self.bank)
        add("/operator/tariffs", self.tariffs)
        add("/operator/audit", self.audit)

    @property
    def database(self) -> Database:
        return self.pages.server.database

    async def overview(self, request: Request, viewer: Guest, currency: Word = "") -> Response:
        if viewer is None or not viewer.administrator:
            return self._elsewhere(request, viewer)
        today = datetime.now(UTC).date()
        held = await self.figures.held()
        days, months = await self.figures.by_day(today), await self.figures.by_month(today)
        currencies = sorted({one.currency for one in held} | {one.currency for one in (*days, *months)})
        chosen = currency if currency in currencies else max(held, key=lambda one: one.accounts).currency if held else ""
        late, late_days = await self.figures.behind()
        return self._page(
            request,
            viewer,
            "operator_overview.html",
            "overview",
            service=await self.figures.service(),
            running_out=len(await self.figures.running_out()),
            held=held,
            currencies=currencies,
            income=_income(days, months, chosen, today) if chosen else None,
            late=late,
            late_days=late_days,
            waiting=await self.figures.waiting(),
        )

    async def accounts(
        self, request: Request, viewer: Guest, q: Word = "", state: Word = "", sort: Word = "", page: Number = 1
    ) -> Response:
        if viewer is None or not viewer.administrator:
            return self._elsewhere(request, viewer)
        state = state if state in STATES else ""
        sort = sort if sort in SORTS else "days" if state == "running" else "name"
        running = await self.figures.running_out() if state == "running" else None
        asked = {
            "like": _like(q),
            "number": _number(q),
            "ids": None if running is None else list(running),
            "blocked": state == "blocked",
            "undecided": state == "undecided",
            "sort": sort,
        }
        rows = await sql.rows(self.database, "operator_accounts", AccountRow, limit=ROWS, offset=(page - 1) * ROWS, **asked)
        if not rows and page > 1:
            page = 1
            rows = await sql.rows(self.database, "operator_accounts", AccountRow, limit=ROWS, offset=0, **asked)
        lasting = await self.figures.lasting([row.id for row in rows])
        return self._page(
            request,
            viewer,
            "operator_accounts.html",
            "accounts",
            rows=rows,
            lasting=lasting,
            far_days=FAR_DAYS,
            total=rows[0].total if rows else 0,
            number=page,
            pages=max(1, -(-rows[0].total // ROWS)) if rows else 1,
            chosen={"q": q, "state": state, "sort": sort},
        )

    async def account(
        self,
        request: Request,
        viewer: Guest,
        account_id: AccountId,
        show: Word = "",
        q: Word = "",
        kind: Word = "",
        page: Number = 1,
        before: Before = None,
    ) -> Response:
        if viewer is None or not viewer.administrator:
            return self._elsewhere(request, viewer)
        account = await sql.row(self.database, "operator_account", AccountView, id=account_id)
        if account is None:
            return self.pages.page(request, viewer, "missing.html", status=404)
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            tariffs = await all_tariffs(connection)
            ahead = await outlook(connection, account_id, days=1)
        show = show if show in SHOWN else "trackers"
        kind = kind if kind in KINDS else ""
        tariff = tariffs[account.tariff_id]
        context: dict[str, Any] = {"rows": [], "older": None, "before": before, "number": 1, "pages": 1}
        if show == "trackers":
            context |= await self._trackers(account_id, q, page)
        elif show == "ledger":
            found = await sql.rows(
                self.database,
                "operator_entries",
                EntryRow,
                account_id=account_id,
                kinds=KINDS.get(kind),
                before=before,
                limit=ROWS + 1,
            )
            context |= _page_of(found)
        elif show == "payments":
            context |= _page_of(await self._payments(account_id=account_id, before=before))
        elif show == "refunds":
            context |= _page_of(await self._refunds(account_id=account_id, before=before))
        else:
            context |= _page_of(await self._audit(account_id=account_id, before=before))
        return self._page(
            request,
            viewer,
            "operator_account.html",
            "accounts",
            account=account,
            tariff=tariff,
            version=tariff.on(ahead.day),
            ahead=ahead,
            far_days=FAR_DAYS,
            show=show,
            chosen={"q": q, "kind": kind},
            **self._topics(account_id),
            **context,
        )

    def _topics(self, account_id: int) -> dict[str, str]:
        """Where MQTT takes an account's positions; empty: there is no broker."""
        mqtt = self.pages.server.settings.mqtt
        if mqtt.url is None:
            return {"mqtt_topic": "", "discovery_topic": ""}
        return {"mqtt_topic": f"{mqtt.prefix}/{account_id}/…", "discovery_topic": f"{mqtt.discovery_prefix}/…"}

    async def payments(
        self,
        request: Request,
        viewer: Guest,
        state: Word = "",
        provider: Word = "",
        account: Annotated[str, Query(alias="accountId", max_length=20)] = "",
        before: Before = None,
    ) -> Response:
        """`state`: flagged, or one of the payments' own."""
        if viewer is None or not viewer.administrator:
            return self._elsewhere(request, viewer)
        state = state if state in (*PAYMENT_STATES, "flagged") else ""
        account_id = _number(account)
        found = await self._payments(
            flagged=state == "flagged",
            state=None if state == "flagged" else state or None,
            provider=provider or None,
            account_id=account_id,
            before=before,
        )
        chosen = {"state": state, "provider": provider, "accountId": account_id or ""}
        providers = await sql.rows(self.database, "operator_providers", NameRow)
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            unknown = await billing_sql.rows(connection, "unread_events", table.Event, limit=ROWS)
        return self._page(
            request,
            viewer,
            "operator_payments.html",
            "payments",
            chosen=chosen,
            states=PAYMENT_STATES,
            unknown=unknown,
            providers=[one.name for one in providers],
            before=before,
            **_page_of(found),
        )

    async def refunds(self, request: Request, viewer: Guest, state: Word = "open", before: Before = None) -> Response:
        if viewer is None or not viewer.administrator:
            return self._elsewhere(request, viewer)
        state = state if state in ("open", "all") else "open"
        found = await self._refunds(states=list(OPEN_REFUNDS) if state == "open" else None, before=before)
        return self._page(
            request, viewer, "operator_refunds.html", "refunds", chosen={"state": state}, before=before, **_page_of(found)
        )

    async def bank(self, request: Request, viewer: Guest, before: Before = None) -> Response:
        """Statements of the bank: what is taken in, lines that are nobody's yet, and the last that were."""
        if viewer is None or not viewer.administrator:
            return self._elsewhere(request, viewer)
        unmatched = await sql.rows(self.database, "operator_bank_open", BankLineRow, limit=ROWS)
        found = await sql.rows(self.database, "operator_bank_lines", BankLineRow, before=before, limit=ROWS + 1)
        defaults = await sql.row(self.database, "operator_defaults", DefaultsRow)
        currency = defaults.currency if defaults else ""
        return self._page(
            request,
            viewer,
            "operator_bank.html",
            "bank",
            unmatched=unmatched,
            before=before,
            currency=currency,
            **_page_of(found),
        )

    async def tariffs(self, request: Request, viewer: Guest) -> Response:
        if viewer is None or not viewer.administrator:
            return self._elsewhere(request, viewer)
        today = datetime.now(UTC).date()
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            tariffs = await all_tariffs(connection)
        used = {row.tariff_id: row.accounts for row in await sql.rows(self.database, "operator_tariff_accounts", UsedRow)}
        defaults = await sql.row(self.database, "operator_defaults", DefaultsRow)
        return self._page(
            request,
            viewer,
            "operator_tariffs.html",
            "tariffs",
            tariffs=sorted(tariffs.values(), key=lambda one: (not one.free, not one.offered, one.id)),
            used=used,
            defaults=defaults,
            today=today,
            months={one.id: _months(one, today) for one in tariffs.values() if not one.free},
        )

    async def audit(
        self,
        request: Request,
        viewer: Guest,
        q: Word = "",
        action: Word = "",
        account: Annotated[str, Query(alias="accountId", max_length=20)] = "",
        since: Annotated[str, Query(alias="from", max_length=10)] = "",
        until: Annotated[str, Query(alias="to", max_length=10)] = "",
        before: Before = None,
    ) -> Response:
        if viewer is None or not viewer.administrator:
            return self._elsewhere(request, viewer)
        first, last = _day(since), _day(until)
        found = await self._audit(
            like=_like(q),
            action=action or None,
            account_id=_number(account),
            since=first and datetime.combine(first, time(), UTC),
            until=last and datetime.combine(last + timedelta(days=1), time(), UTC),
            before=before,
        )
        chosen = {"q": q, "action": action, "accountId": _number(account) or "", "from": first or "", "to": last or ""}
        actions = [one.name for one in await sql.rows(self.database, "operator_actions", NameRow)]
        return self._page(
            request, viewer, "operator_audit.html", "audit", chosen=chosen, actions=actions, before=before, **_page_of(found)
        )

    async def _trackers(self, account_id: int, q: str, page: int) -> dict[str, Any]:
        rows = await sql.rows(
            self.database,
            "operator_trackers",
            TrackerRow,
            account_id=account_id,
            like=_like(q),
            limit=ROWS,
            offset=(page - 1) * ROWS,
        )
        return {"rows": rows, "number": page, "pages": max(1, -(-rows[0].total // ROWS)) if rows else 1}

    async def _payments(self, **asked: Any) -> list[PaymentRow]:
        asked = {"id": None, "account_id": None, "flagged": False, "state": None, "provider": None, **asked}
        return await sql.rows(self.database, "operator_payments", PaymentRow, limit=ROWS + 1, **asked)

    async def _refunds(self, **asked: Any) -> list[RefundRow]:
        asked = {"id": None, "account_id": None, "states": None, **asked}
        return await sql.rows(self.database, "operator_refunds", RefundRow, limit=ROWS + 1, **asked)

    async def _audit(self, **asked: Any) -> list[AuditRow]:
        asked = {"account_id": None, "action": None, "like": None, "since": None, "until": None, **asked}
        return await sql.rows(self.database, "operator_audit", AuditRow, limit=ROWS + 1, **asked)

    def _elsewhere(self, request: Request, viewer: Any) -> Response:
        """Guests may turn out to be administrators; to customers there is nothing here."""
        return to_login(request) if viewer is None else self.pages.page(request, viewer, "missing.html", status=404)

    def _page(self, request: Request, viewer: Any, template: str, tab: str, **context: Any) -> Response:
        return self.pages.page(
            request,
            viewer,
            template,
            entry="operator",
            here="operator",
            tab=tab,
            may_change=not viewer.readonly,
            **speech(self.pages.server.settings),
            **context,
        )


@dataclass(frozen=True, slots=True)
class UsedRow:
    """A row of `operator_tariff_accounts.sql`."""

    tariff_id: int
    accounts: int


def _page_of(found: list[Any]) -> dict[str, Any]:
    return {"rows": found[:ROWS], "older": found[ROWS - 1].id if len(found) > ROWS else None}


def _like(q: str) -> str | None:
    q = q.strip().replace("\0", "")
    return "%" + q.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%" if q else None


def _number(text: str) -> int | None:
    """Of an account, by the number that its people know or by its id."""
    bare = text.replace(" ", "")
    if not (bare.isascii() and bare.isdecimal() and 0 < len(bare) < 16):
        return None
    return account_of(bare) or (int(bare) if 0 < int(bare) <= LARGEST_ID else None)


def _day(text: str) -> date | None:
    """Of an address; what is no day is none."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year <= 2200 else None


def _income(days: list[Income], months: list[Income], currency: str, today: date) -> IncomeView:
    own = {one.day: one for one in days if one.currency == currency}
    last = max([today, *own])  # where tomorrow has begun, it has been charged
    shown_days = [last - timedelta(days=passed) for passed in range(DAYS)][::-1]
    greatest = max([one.earned for one in own.values()] or [0])
    bars = [
        Bar(day, amount := own[day].earned if day in own else 0, round(100 * max(0, amount) / greatest, 1) if greatest > 0 else 0)
        for day in shown_days
    ]
    whole = [own[day] for day in reversed(shown_days) if day in own]
    total = Income(
        shown_days[0],
        currency,
        sum(one.earned for one in whole),
        sum(one.paid_in for one in whole),
        sum(one.given for one in whole),
        sum(one.paid_back for one in whole),
    )
    return IncomeView(currency, bars, whole, [one for one in reversed(months) if one.currency == currency], total)


def _months(tariff: Tariff, today: date) -> list[MonthView]:
    """This month and the next, at the price of each day."""
    found = []
    first = today.replace(day=1)
    for _ in range(2):
        following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
        amounts = [share(tariff.on(day).price, day) for day in (first + timedelta(n) for n in range((following - first).days))]
        found.append(MonthView(first, [(amount, amounts.count(amount)) for amount in sorted(set(amounts))]))
        first = following
    return found


def mount(app: FastAPI, pages: Pages) -> None:
    operator = OperatorPages(pages)
    app.include_router(operator.router)
    app.include_router(OperatorForms(pages).router)
    app.include_router(BankPreview(pages).router)
