"""The pages of a customer's money, at /billing: balance and outlook, statement, payments, tariffs, trackers.

`mount(app, pages)` adds them. They show what the functions say that charge, and previews are the real thing, taken back. What is
done goes through the JSON API (`web/src/billing/`). An administrator sees any account's by `?accountId=`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from psycopg import AsyncConnection

import billing.sql
from billing import refunds, statement
from billing.book import open_book
from billing.catalogue import Tariff, all_tariffs
from billing.errors import NotEnoughMoney, Refused
from billing.money import LARGEST, exact, parsed
from billing.payments import table
from billing.tariffs import change, changes_left
from billing.trackers import rehearsed, set_test, unblock
from dashboards import cabinet, sql
from dashboards.api.parameters import LARGEST_ID
from dashboards.cabinet import Bill, bill_of, bill_on
from dashboards.figures import filters
from dashboards.identity import Viewer
from dashboards.pages import MAX_PAGE, Guest, Pages, language_of, to_login
from dashboards.problems import Problem
from dashboards.state import of
from telematics.store.database import Database

ROWS = 50
LATELY = 5  # payments beside the form
LINES = 500  # of one entry, unfolded; files have all
NAMES = 1_000  # in a filter
PERIODS = ("month", "last-month", "days30", "quarter", "year", "last-year", "all", "dates")
BEGINNING = date(2000, 1, 1)
LATEST = date(2999, 12, 31)

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
BigId = Annotated[int, Path(ge=1, le=2**62)]
PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Word = Annotated[str, Query(max_length=128)]
Whose = Annotated[int | None, Query(alias="accountId", ge=1, le=LARGEST_ID)]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which statement. An unknown word counts as none: old links should show something."""

    period: str
    first: date
    last: date
    kind: str = ""
    tracker: int | None = None

    @property
    def dates(self) -> dict[str, str]:
        if self.period == "dates":
            return {"period": "dates", "from": self.first.isoformat(), "to": self.last.isoformat()}
        return {} if self.period == "month" else {"period": self.period}

    @property
    def query(self) -> dict[str, Any]:
        return {**self.dates, "kind": self.kind or None, "tracker": self.tracker}


@dataclass(frozen=True, slots=True)
class Scope:
    """Who looks at whose account."""

    viewer: Viewer
    account_id: int

    @property
    def own(self) -> bool:
        return self.account_id == self.viewer.account_id

    def at(self, path: str, /, **query: Any) -> str:
        """An address of these pages, for this account."""
        whose = {} if self.own else {"accountId": self.account_id}
        wanted = {name.rstrip("_"): value for name, value in {**whose, **query}.items() if value not in (None, "")}
        return f"{path}?{urlencode(wanted)}" if wanted else path


def whose(viewer: Guest, account_id: Whose = None) -> Scope | None:
    """Nobody's for a guest; another's for administrators alone."""
    if viewer is None:
        return None
    if account_id is not None and account_id != viewer.account_id and not viewer.administrator:
        raise Problem(404, "No such account", "There is none with this number, or it isn't yours.")
    return Scope(viewer, account_id or viewer.account_id)


Who = Annotated[Scope | None, Depends(whose)]


class BillingPages:
    """The routes, with the pages' own way to render."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        add = self.router.add_api_route
        add("/billing", self.overview)
        add("/billing/statement", self.statement)
        add("/billing/statement/{entry_id}", self.lines)
        add("/billing/tariffs", self.tariffs)
        add("/billing/tariffs/{tariff_id}", self.tariff)
        add("/billing/calculator", self.calculator)
        add("/billing/connection", self.connection)
        add("/billing/topup", self.topup)
        add("/billing/payments", self.payments)
        add("/billing/payments/{reference}", self.payment)
        add("/billing/refund", self.refund)
        add("/billing/trackers", self.trackers)
        add("/billing/trackers/{device_id}/{act}", self.tracker)

    @property
    def database(self) -> Database:
        return self.pages.server.database

    async def overview(self, request: Request, who: Who) -> Response:
        if who is None:
            return to_login(request)
        async with self._bill(who) as bill:
            before = await cabinet.past(bill.book.connection, bill)
        told = filters(language_of(request, who.viewer))["money"]
        return await self._page(
            request,
            who,
            bill,
            "billing.html",
            data={"chart": None if bill.free else self._chart(bill, before, lambda amount: told(amount, bill.currency))},
            counts=bill.counts,
            charges=cabinet.coming(bill),
            horizon=cabinet.AHEAD_DAYS,
        )

    def _chart(self, bill: Bill, before: list[tuple[date, int]], told: Callable[[int], str]) -> dict[str, Any]:
        """Points: day in seconds, balance, the same in words, what is charged, how many are blocked."""
        currency = bill.currency
        past = [[cabinet.midnight(day), float(exact(balance, currency)), told(balance)] for day, balance in before]
        ahead = [
            [cabinet.midnight(day.day), float(exact(day.balance, currency)), told(day.balance), told(day.amount), day.blocked]
            for day in cabinet.shown_ahead(bill)
        ]
        blocks = bill.runs_out and cabinet.midnight(bill.runs_out)
        return {"past": past, "ahead": ahead, "blocks": blocks if ahead and blocks and blocks <= ahead[-1][0] else None}  # type: ignore[operator]

    async def statement(
        self,
        request: Request,
        who: Who,
        period: Word = "month",
        first: Annotated[str, Query(alias="from", max_length=10)] = "",
        last: Annotated[str, Query(alias="to", max_length=10)] = "",
        kind: Word = "",
        tracker: Word = "",
        page: PageNumber = 1,
    ) -> Response:
        if who is None:
            return to_login(request)
        async with self._bill(who) as bill:
            pass
        chosen = _chosen(bill.day, period, first, last, kind, tracker)
        selection = statement.Selection(
            who.account_id, chosen.first, chosen.last, chosen.tracker, (chosen.kind,) if chosen.kind else (), grouped=True
        )
        head = await statement.head(self.database, selection)
        pages = max(1, -(-head.total // ROWS))
        number = min(page, pages)
        found = await statement.page(self.database, head, limit=ROWS, offset=(number - 1) * ROWS, newest_first=True)
        export = {
            "from": chosen.first.isoformat(),
            "to": chosen.last.isoformat(),
            "kind": chosen.kind or None,
            "deviceId": chosen.tracker,
        }
        return await self._page(
            request,
            who,
            bill,
            "billing_statement.html",
            chosen=chosen,
            kinds=statement.KINDS,
            trackers=await cabinet.named(self.database, who.account_id, NAMES),
            head=head,
            entries=found,
            number=number,
            pages=pages,
            csv=who.at("/api/billing/statement.csv", **export),
            xlsx=who.at("/api/billing/statement.xlsx", **export),
        )

    async def lines(self, request: Request, who: Who, entry_id: BigId, tracker: Word = "") -> Response:
        """Of one entry, for the statement to unfold."""
        if who is None:
            return to_login(request)
        selection = statement.Selection(who.account_id, BEGINNING, LATEST, _number(tracker), entry_id=entry_id)
        head = await statement.head(self.database, selection)
        found = await statement.page(self.database, head, limit=LINES, offset=0)
        async with self._bill(who) as bill:
            pass
        more = head.total - len(found)
        return await self._page(request, who, bill, "parts/billing_lines.html", lines=found, more=more)

    async def tariffs(self, request: Request, who: Who) -> Response:
        if who is None:
            return to_login(request)
        async with self._bill(who) as bill:
            offers = await cabinet.offers(bill.book.connection, bill)
            known = await all_tariffs(bill.book.connection)
        return await self._page(
            request,
            who,
            bill,
            "billing_tariffs.html",
            tariffs=offers,
            estimate=self._estimate(bill, known, _asked(bill, offers)),
        )

    async def tariff(self, request: Request, who: Who, tariff_id: Id) -> Response:
        """A dialog: what comes of a change to it."""
        allowed = _editor(who)
        async with open_book(self.database, allowed.account_id, user_id=allowed.viewer.user_id) as book:
            bill = await bill_on(book)
            before = bill.version
            tariff = (await all_tariffs(book.connection)).get(tariff_id)
            if tariff is None:
                raise Problem(404, "No such tariff", "It is not there any more.")
            context: dict[str, Any] = {"refused": None, "tariff": tariff, "version": tariff.on(book.day), "before": before}
            try:
                async with rehearsed(book):
                    outcome = await change(book, tariff_id)
                    context |= cabinet.consequences(outcome, book) | {"left": await changes_left(book)}
            except Refused as error:
                context["refused"] = error
            context["used"] = await cabinet.used(book.connection, allowed.account_id)
        return await self._page(request, allowed, bill, "parts/billing_tariff.html", counts=bill.counts, **context)

    async def calculator(
        self,
        request: Request,
        who: Who,
        tariff: Word = "",
        trackers: Word = "",
        days: Word = "",
        start: Word = "",
        money: Word = "",
    ) -> Response:
        if who is None:
            return to_login(request)
        async with self._bill(who) as bill:
            offers = await cabinet.offers(bill.book.connection, bill)
            known = await all_tariffs(bill.book.connection)
        estimate = self._estimate(bill, known, _asked(bill, offers, tariff, trackers, days, start, money))
        return await self._page(request, who, bill, "billing_calculator.html", tariffs=offers, estimate=estimate)

    async def connection(self, request: Request, who: Who) -> Response:
        """For the dialog that adds a tracker: what that costs."""
        allowed = _editor(who)
        async with self._bill(allowed) as bill:
            taken = await billing.sql.value(bill.book.connection, "test_tracker", account_id=bill.book.account_id)
        price = 0 if bill.free else bill.version.price
        return await self._page(
            request,
            allowed,
            bill,
            "parts/billing_connection.html",
            price=price,
            lacking=max(0, price - bill.balance),
            may_be_test=taken is None,
        )

    async def topup(self, request: Request, who: Who, amount: Word = "") -> Response:
        if who is None:
            return to_login(request)
        async with self._bill(who) as bill:
            found = await table.payments(bill.book.connection, account_id=who.account_id, limit=LATELY)
        asked = _number(amount, LARGEST) or 0
        return await self._page(
            request,
            who,
            bill,
            "billing_topup.html",
            amount=asked,
            suggestions=cabinet.suggestions(bill),
            providers=of(request).billing.providers.offered(bill.currency),
            titles=self._titles(request),
            bank_details=self.pages.server.settings.billing.bank_details.strip(),
            payments=found,
        )

    async def payments(self, request: Request, who: Who, page: PageNumber = 1) -> Response:
        if who is None:
            return to_login(request)
        async with self._bill(who) as bill:
            connection, which = bill.book.connection, {"account_id": who.account_id}
            every = {"provider": None, "state": None, "flagged": False}
            count = await billing.sql.value(connection, "payments_count", **which, **every)
            pages = max(1, -(-count // ROWS))
            number = min(page, pages)
            found = await table.payments(connection, account_id=who.account_id, limit=ROWS, offset=(number - 1) * ROWS)
        return await self._page(
            request, who, bill, "billing_payments.html", payments=found, titles=self._titles(request), number=number, pages=pages
        )

    async def payment(self, request: Request, who: Who, reference: UUID) -> Response:
        """Where the provider's page leads back to: what has become of it, until that is known."""
        if who is None:
            return to_login(request)
        whose = None if who.viewer.administrator else who.account_id  # who pays for another comes back without its number
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            found = await table.payments(connection, reference=reference, account_id=whose, limit=1)
        if not found:
            return await self.pages.missing(request, Problem(404, "No such payment"))
        who = Scope(who.viewer, found[0].account_id)
        async with self._bill(who) as bill:
            pass
        return await self._page(request, who, bill, "billing_payment.html", payment=found[0], titles=self._titles(request))

    async def refund(self, request: Request, who: Who) -> Response:
        if who is None:
            return to_login(request)
        async with self._bill(who) as bill:
            connection = bill.book.connection
            first = await refunds.first_paid(connection, who.account_id)
            context: dict[str, Any] = {
                "refundable": await refunds.refundable(connection, who.account_id, bill.balance),
                "can_withdraw": await refunds.can_withdraw(connection, who.account_id, bill.day),
                "paid_once": first is not None,
                "refunds": await refunds.refunds(connection, account_id=who.account_id, limit=ROWS),
            }
        withdrawal = None
        if context["can_withdraw"] and not who.viewer.readonly:
            with suppress(Refused):
                async with open_book(self.database, who.account_id, user_id=who.viewer.user_id) as book, rehearsed(book):
                    withdrawal, _ = await refunds.withdraw(book)
        return await self._page(
            request, who, bill, "billing_refund.html", titles=self._titles(request), withdrawal=withdrawal, **context
        )

    async def trackers(self, request: Request, who: Who, q: Word = "", state: Word = "", page: PageNumber = 1) -> Response:
        if who is None:
            return to_login(request)
        async with self._bill(who) as bill:
            pass
        state = state if state in ("working", "blocked", "test") else ""
        words = q.lower().split()
        wanted = [
            tracker
            for tracker in bill.found
            if (not state or cabinet.state_of(tracker) == state)
            and all(word in f"{tracker.name} {tracker.unique_id}".lower() for word in words)
        ]
        pages = max(1, -(-len(wanted) // ROWS))
        number = min(page, pages)
        shown = wanted[(number - 1) * ROWS : number * ROWS]
        heard = self.pages.server.statuses([tracker.device_id for tracker in shown])
        rows = [bill.row(tracker, heard[tracker.device_id].heard) for tracker in shown]
        return await self._page(
            request, who, bill, "billing_trackers.html", rows=rows, q=q, state=state, number=number, pages=pages
        )

    async def tracker(self, request: Request, who: Who, device_id: Id, act: str) -> Response:
        """A dialog: what comes of unblocking, blocking, or being the test tracker."""
        allowed = _editor(who)
        if act not in ("unblock", "block", "test"):
            return await self.pages.missing(request, Problem(404, "No such page"))
        async with open_book(self.database, allowed.account_id, user_id=allowed.viewer.user_id) as book:
            bill = await bill_on(book)
            found = next((tracker for tracker in bill.found if tracker.device_id == device_id), None)
            if found is None:
                raise Problem(404, "No such tracker", "There is none with this number, or it isn't yours.")
            context: dict[str, Any] = {"refused": None, "lacking": 0, "groups": [], "total": 0, "blocked": []}
            try:
                async with rehearsed(book):
                    if act == "unblock":
                        context |= cabinet.consequences(await unblock(book, device_id), book)
                    elif act == "test":
                        context |= cabinet.consequences(await set_test(book, device_id, not found.test), book)
            except NotEnoughMoney as error:
                context |= {"refused": error, "lacking": error.values["needed"] - error.values["balance"]}
            except Refused as error:
                context["refused"] = error
        return await self._page(request, allowed, bill, "parts/billing_tracker.html", act=act, row=bill.row(found), **context)

    # --- what they share

    def _titles(self, request: Request) -> dict[str, str]:
        """Of the ways to pay."""
        known = of(request).billing.providers
        return {name: one.title for name in known.names if (one := known.get(name))}

    def _estimate(self, bill: Bill, known: dict[int, Tariff], asked: cabinet.Estimate) -> cabinet.Estimate:
        """Where it can be reckoned: not of what makes no sense, nor where everything is free."""
        if asked.wrong or asked.tariff_id not in known:
            return asked
        return cabinet.estimated(known[asked.tariff_id], asked.trackers, asked.days, asked.start, asked.money)

    @asynccontextmanager
    async def _bill(self, who: Scope) -> AsyncIterator[Bill]:
        """As it stands, with the connection it was read on."""
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            yield await self._read(connection, who.account_id)

    async def _read(self, connection: AsyncConnection[Any], account_id: int) -> Bill:
        try:
            return await bill_of(connection, account_id)
        except Refused as error:
            raise Problem(404, "No such account", "There is none with this number, or it isn't yours.") from error

    async def _page(
        self, request: Request, who: Scope, bill: Bill, template: str, data: dict[str, Any] | None = None, **context: Any
    ) -> Response:
        return self.pages.page(
            request,
            who.viewer,
            template,
            entry="billing",
            here="billing",
            data={
                "billing": {"accountId": None if who.own else who.account_id, "currency": bill.currency, "digits": bill.digits},
                **(data or {}),
            },
            at=who.at,
            bill=bill,
            account_name=await self._name(who),
            may_change=not who.viewer.readonly,
            **context,
        )

    async def _name(self, who: Scope) -> str:
        """Of the account, when it isn't the viewer's own."""
        if who.own:
            return ""
        return str(await sql.value(self.database, "account_name", account_id=who.account_id) or "")


def _editor(who: Scope | None) -> Scope:
    if who is None:
        raise Problem(401, "Nobody is signed in", "Log in and try again.")
    if who.viewer.readonly:
        raise Problem(403, "You may only look", "Ask an administrator for the right to change things.")
    return who


def _chosen(today: date, period: str, first: str, last: str, kind: str, tracker: str) -> Chosen:
    """What of an address makes sense."""
    month = today.replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    days: dict[str, tuple[date, date]] = {
        "month": (month, today),
        "last-month": (before, month - timedelta(days=1)),
        "days30": (today - timedelta(days=29), today),
        "quarter": (_months_before(month, 2), today),
        "year": (today.replace(month=1, day=1), today),
        "last-year": (date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)),
        "all": (BEGINNING, today),
    }
    period = period if period in PERIODS else "month"
    if period == "dates":
        ends = _day(first) or month, _day(last) or today
        days["dates"] = min(ends), max(ends)
    return Chosen(period, *days[period], kind if kind in statement.KINDS else "", _number(tracker))


def _months_before(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 - months, 12)
    return date(year, month + 1, 1)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return min(max(day, BEGINNING), LATEST)


def _number(text: str, largest: int = LARGEST_ID) -> int | None:
    """Of an address; what is no number of the database's is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 and 0 < int(text) <= largest else None


def _asked(
    bill: Bill,
    offers: list[cabinet.Offer],
    tariff: str = "",
    trackers: str = "",
    days: str = "",
    start: str = "",
    money: str = "",
) -> cabinet.Estimate:
    """Of the calculator, with what is likely where nothing was said. `wrong` names the field that can't be understood."""
    paid = [offer.id for offer in offers if not offer.free]
    likely = cabinet.Estimate(
        tariff_id=bill.tariff.id if bill.tariff.id in paid else next(iter(paid), 0),
        trackers=max(1, bill.paying),
        days=90,
        start=bill.day,
        money=bill.balance,
    )
    said = dataclasses.replace(likely, tariff_id=next((one for one in paid if str(one) == tariff), likely.tariff_id))
    if trackers:
        number = _number(trackers)
        if number is None or number > cabinet.MOST_TRACKERS:
            return dataclasses.replace(said, wrong="trackers")
        said = dataclasses.replace(said, trackers=number)
    if days:
        number = _number(days)
        if number is None or number > cabinet.LONGEST_DAYS:
            return dataclasses.replace(said, wrong="days")
        said = dataclasses.replace(said, days=number)
    if start:
        day = _day(start)
        if day is None:
            return dataclasses.replace(said, wrong="start")
        said = dataclasses.replace(said, start=day)
    if money:
        try:
            said = dataclasses.replace(said, money=parsed(money, bill.currency))
        except Refused:
            return dataclasses.replace(said, wrong="money")
    return said


def mount(app: FastAPI, pages: Pages) -> None:
    app.include_router(BillingPages(pages).router)
