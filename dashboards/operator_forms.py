"""The operator's forms: what is to be done, then what will come of it in words, and only then is it done.

    GET  /operator/accounts/5/topup     the fields
    POST /operator/accounts/5/topup     the consequence, found out by doing it in the account's book and taking it back; or what
                                        is wrong with the fields. Nothing has changed yet
    POST /api/billing/operator/…        what the browser sends when the operator has confirmed, with the form's Idempotency-Key

So the amounts that a form promises are those that the deed will charge, and there is one place where money is moved.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import uuid4

from babel.numbers import is_currency
from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from billing import refunds
from billing.book import open_book
from billing.catalogue import Tariff, all_tariffs
from billing.errors import Refused
from billing.ledger import Book
from billing.money import parsed
from billing.numbers import account_of
from billing.payments import bank, by_hand, table
from billing.rules import share
from billing.tariffs import EARLIEST_ZONE, change
from billing.topup import REVERSIBLE, reverse, top_up
from billing.trackers import Outcome, rehearsed, unblock_by_administrator
from dashboards import auth, sql
from dashboards.api.parameters import LARGEST_ID, LARGEST_POSITION_ID
from dashboards.identity import Viewer
from dashboards.operator_rows import AccountView, BankLineRow, DefaultsRow, LineRow, PaymentRow, RefundRow, TrackerName
from dashboards.operator_words import speech
from dashboards.pages import Pages
from dashboards.problems import not_found
from telematics.store.database import Database

Row = TypeVar("Row")
AccountId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
BigId = Annotated[int, Path(ge=1, le=LARGEST_POSITION_ID)]
FIELDS = 5_000  # of a form: the lines of an entry among them
LONGEST = 500  # of a reason or reference
NAMED = 5  # trackers that a consequence names
API = "/api/billing/operator"
METHODS = ["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Ask:
    """What will be sent once the operator has confirmed, and what the confirmation says of it."""

    path: str  # under API
    body: Mapping[str, Any] = field(default_factory=dict)
    method: str = "POST"
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return API + self.path


@dataclass(frozen=True, slots=True)
class Said:
    """The fields of a form, as they came."""

    form: FormData

    def text(self, name: str, longest: int = LONGEST) -> str:
        value = self.form.get(name, "")
        return " ".join(value.replace("\0", "").split())[:longest] if isinstance(value, str) else ""

    def required(self, name: str, code: str) -> str:
        """Raises Refused."""
        found = self.text(name)
        if not found:
            raise Refused(code, "Say why: it is kept with the entry.")
        return found

    def whole(self, name: str, largest: int = LARGEST_ID) -> int:
        """Raises Refused for what is no number."""
        text = self.text(name)
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= largest):
            raise Refused("bad_number", f"{text[:40]!r} is no whole number up to {largest}.", largest=largest)
        return int(text)

    def limit(self, name: str, least: int = 0) -> int | None:
        """An empty field: without a limit. Raises Refused."""
        if not self.text(name):
            return None
        found = self.whole(name)
        if found < least:
            raise Refused("bad_number", f"At least {least}.", largest=LARGEST_ID)
        return found

    def day(self, name: str) -> date:
        try:
            return date.fromisoformat(self.text(name))
        except ValueError:
            raise Refused("bad_day", "Give a day such as 2026-12-01.") from None

    def checked(self, name: str) -> bool:
        return name in self.form

    def numbers(self, name: str) -> list[int]:
        return [int(one) for one in self.form.getlist(name) if isinstance(one, str) and one.isdecimal() and len(one) < 10]


Prepare = Callable[[Said], Awaitable[Ask]]


class OperatorForms:
    """The routes. Of others than administrators they ask for another login."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        add = self.router.add_api_route
        account = "/operator/accounts/{account_id}"
        add(f"{account}/topup", self.topup, methods=METHODS)
        add(f"{account}/bonus", self.bonus, methods=METHODS)
        add(f"{account}/tariff", self.tariff, methods=METHODS)
        add(f"{account}/trackers/{{device_id}}/block", self.block, methods=METHODS)
        add(f"{account}/trackers/{{device_id}}/unblock", self.unblock, methods=METHODS)
        add(f"{account}/entries/{{entry_id}}/reverse", self.reverse, methods=METHODS)
        add("/operator/payments/unknown/{event_id}/dismiss", self.dismiss_unknown, methods=METHODS)
        add("/operator/payments/{payment_id}/events", self.events, methods=["GET"])
        add("/operator/payments/{payment_id}/accept", self.accept, methods=METHODS)
        add("/operator/payments/{payment_id}/dismiss", self.dismiss, methods=METHODS)
        add("/operator/refunds/{refund_id}/approve", self.approve, methods=METHODS)
        add("/operator/refunds/{refund_id}/reject", self.reject, methods=METHODS)
        add("/operator/refunds/{refund_id}/parts/{payment_id}/paid", self.paid, methods=METHODS)
        add("/operator/bank/{line_id}/assign", self.assign, methods=METHODS)
        add("/operator/tariffs/new", self.new_tariff, methods=METHODS)
        add("/operator/tariffs/{tariff_id}/edit", self.edit_tariff, methods=METHODS)
        add("/operator/tariffs/{tariff_id}/version", self.version, methods=METHODS)
        add("/operator/defaults", self.defaults, methods=METHODS)

    @property
    def database(self) -> Database:
        return self.pages.server.database

    # --- of an account

    async def topup(self, request: Request, viewer: auth.Administrator, account_id: AccountId) -> Response:
        """Money that came by bank or was paid over the counter."""
        account = await self._account(account_id)

        async def prepare(said: Said) -> Ask:
            way = said.text("way") if said.text("way") in ("bank", "cash") else "cash"
            amount = _amount(said, "amount", account.currency)
            body = {"way": way, "amount": amount, "reference": said.text("reference", 200), "note": said.text("note")}
            async with open_book(self.database, account_id, user_id=viewer.user_id) as book:
                entered = by_hand.enter(book, "bank" if way == "bank" else "cash", amount, reference=str(body["reference"]))
                facts = await _tried(book, lambda: _second(entered))
            return Ask(f"/accounts/{account_id}/topup", body, facts={"amount": amount, "way": way, **facts})

        return await self._form(request, viewer, "topup", prepare, account=account)

    async def bonus(self, request: Request, viewer: auth.Administrator, account_id: AccountId) -> Response:
        account = await self._account(account_id)

        async def prepare(said: Said) -> Ask:
            amount, reason = _amount(said, "amount", account.currency), said.required("reason", "reason_missing")
            async with open_book(self.database, account_id, user_id=viewer.user_id) as book:
                given = top_up(book, amount, way="bonus", key=f"rehearsal:{uuid4()}", kind="bonus")
                facts = await _tried(book, lambda: _second(given))
            body = {"amount": amount, "reason": reason}
            return Ask(f"/accounts/{account_id}/bonus", body, facts={"amount": amount, **facts})

        return await self._form(request, viewer, "bonus", prepare, account=account)

    async def tariff(self, request: Request, viewer: auth.Administrator, account_id: AccountId) -> Response:
        account, tariffs = await self._account(account_id), await self._tariffs()
        choices = [one for one in tariffs.values() if one.currency in (None, account.currency) and one.id != account.tariff_id]

        async def prepare(said: Said) -> Ask:
            tariff_id, reason = said.whole("tariffId"), said.required("reason", "reason_missing")
            async with open_book(self.database, account_id, user_id=viewer.user_id) as book:
                was = book.version
                facts = await _tried(book, lambda: change(book, tariff_id, counted=False))
                chosen = tariffs[tariff_id]
            facts = {"was": was, "chosen": chosen, "version": chosen.on(book.day), **facts}
            return Ask(f"/accounts/{account_id}/tariff", {"tariffId": tariff_id, "reason": reason}, facts=facts)

        today = datetime.now(UTC).date()
        return await self._form(
            request, viewer, "tariff", prepare, account=account, choices=choices, current=tariffs[account.tariff_id], today=today
        )

    async def block(self, request: Request, viewer: auth.Administrator, account_id: AccountId, device_id: AccountId) -> Response:
        account, tracker = await self._account(account_id), await self._tracker(account_id, device_id)

        async def prepare(said: Said) -> Ask:
            reason = said.required("reason", "reason_missing")
            return Ask(f"/accounts/{account_id}/trackers/{device_id}/block", {"reason": reason}, facts={"reason": reason})

        return await self._form(request, viewer, "block", prepare, account=account, tracker=tracker)

    async def unblock(
        self, request: Request, viewer: auth.Administrator, account_id: AccountId, device_id: AccountId
    ) -> Response:
        account, tracker = await self._account(account_id), await self._tracker(account_id, device_id)

        async def prepare(_: Said) -> Ask:
            async with open_book(self.database, account_id, user_id=viewer.user_id) as book:
                facts = await _tried(book, lambda: unblock_by_administrator(book, device_id))
            return Ask(f"/accounts/{account_id}/trackers/{device_id}/unblock", facts=facts)

        return await self._form(request, viewer, "unblock", prepare, at_once=True, account=account, tracker=tracker)

    async def reverse(self, request: Request, viewer: auth.Administrator, account_id: AccountId, entry_id: BigId) -> Response:
        """An entry, or lines of it."""
        account = await self._account(account_id)
        lines = await sql.rows(self.database, "operator_lines", LineRow, account_id=account_id, entry_id=entry_id)
        if not lines:
            raise not_found("entry")
        left = {line.no for line in lines if line.reversed_by is None}

        async def prepare(said: Said) -> Ask:
            chosen = sorted(set(said.numbers("no")) & left)
            if len(left) > 1 and not chosen:
                raise Refused("nothing_chosen", "Choose at least one line.")
            reason = said.required("reason", "reason_missing")
            nos = None if not chosen or (set(chosen) == left and len(left) == len(lines)) else chosen
            async with open_book(self.database, account_id, user_id=viewer.user_id) as book:
                before = book.balance
                taken = reverse(book, entry_id, nos=nos or None, memo=reason, key=f"rehearsal:{uuid4()}")
                facts = await _tried(book, lambda: _second(taken))
            back = -sum(line.amount for line in lines if line.no in (chosen or left))
            body = {"entryId": entry_id, "nos": nos, "reason": reason}
            facts = {"amount": back, "lines": len(chosen or left), **facts, "before": before}
            return Ask(f"/accounts/{account_id}/reverse", body, facts=facts)

        reversible = lines[0].kind in REVERSIBLE
        return await self._form(
            request, viewer, "reverse", prepare, account=account, lines=lines, left=left, reversible=reversible
        )

    # --- payments and refunds

    async def accept(self, request: Request, viewer: auth.Administrator, payment_id: BigId) -> Response:
        """What came counts, though it isn't what was asked."""
        payment = await self._payment(payment_id)

        async def prepare(said: Said) -> Ask:
            reason = said.required("reason", "reason_missing")
            async with open_book(self.database, payment.account_id, user_id=viewer.user_id) as book:
                facts = await _tried(book, lambda: _second(by_hand.accept(book, payment_id)))
            return Ask(f"/payments/{payment_id}/accept", {"reason": reason}, facts=facts)

        return await self._form(request, viewer, "accept", prepare, payment=payment)

    async def dismiss(self, request: Request, viewer: auth.Administrator, payment_id: BigId) -> Response:
        """The flag: somebody has looked at it."""
        payment = await self._payment(payment_id)

        async def prepare(said: Said) -> Ask:
            return Ask(f"/payments/{payment_id}/dismiss", {"reason": said.required("reason", "reason_missing")})

        return await self._form(request, viewer, "dismiss", prepare, payment=payment)

    async def dismiss_unknown(self, request: Request, viewer: auth.Administrator, event_id: BigId) -> Response:
        """A provider's word about a payment that nobody knows."""

        async def prepare(said: Said) -> Ask:
            return Ask(f"/payments/unknown/{event_id}/dismiss", {"reason": said.required("reason", "reason_missing")})

        return await self._form(request, viewer, "dismiss_unknown", prepare)

    async def events(self, request: Request, viewer: auth.Administrator, payment_id: BigId) -> Response:
        """What the provider said of a payment, in order."""
        payment = await self._payment(payment_id)
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            said = await table.events_of(connection, payment_id)
        words = speech(self.pages.server.settings)
        return self.pages.page(request, viewer, "parts/operator_events.html", payment=payment, said=said, **words)

    async def approve(self, request: Request, viewer: auth.Administrator, refund_id: BigId) -> Response:
        """Divided among the payments it goes back by; what failed is tried again."""
        refund = await self._refund(refund_id)

        async def prepare(_: Said) -> Ask:
            async with open_book(self.database, refund.account_id, user_id=viewer.user_id) as book, rehearsed(book):
                parts = await refunds.approve(book, refund_id)
            return Ask(f"/refunds/{refund_id}/approve", facts={"parts": parts})

        return await self._form(request, viewer, "approve", prepare, at_once=True, refund=refund)

    async def reject(self, request: Request, viewer: auth.Administrator, refund_id: BigId) -> Response:
        refund = await self._refund(refund_id)

        async def prepare(said: Said) -> Ask:
            reason = said.required("reason", "reason_missing")
            async with open_book(self.database, refund.account_id, user_id=viewer.user_id) as book:
                facts = await _tried(book, lambda: refunds.reject(book, refund_id, reason))
            return Ask(f"/refunds/{refund_id}/reject", {"reason": reason}, facts=facts)

        return await self._form(request, viewer, "reject", prepare, refund=refund)

    async def paid(self, request: Request, viewer: auth.Administrator, refund_id: BigId, payment_id: BigId) -> Response:
        """The bank, the till or the provider's office has given a part of it back."""
        refund = await self._refund(refund_id)
        part = next((one for one in refund.parts if one["payment"] == payment_id), None)
        if part is None:
            raise not_found("part")

        async def prepare(said: Said) -> Ask:
            reference = said.required("reference", "reference_missing")[:200]
            async with open_book(self.database, refund.account_id, user_id=viewer.user_id) as book, rehearsed(book):
                await refunds.paid_by_hand(book, refund_id, payment_id, reference)
            body = {"paymentId": payment_id, "reference": reference}
            return Ask(f"/refunds/{refund_id}/paid", body, facts={"reference": reference})

        return await self._form(request, viewer, "paid", prepare, refund=refund, part=part)

    async def assign(self, request: Request, viewer: auth.Administrator, line_id: BigId) -> Response:
        """A bank transfer that was nobody's is an account's."""
        line = await self._found("line", "operator_bank_line", BankLineRow, id=line_id)

        async def prepare(said: Said) -> Ask:
            account = await self._numbered(said.text("account", 20))
            async with open_book(self.database, account.id, user_id=viewer.user_id) as book:
                facts = await _tried(book, lambda: _freed(bank.assign(book, line_id)))
            return Ask(f"/bank/lines/{line_id}/assign", {"accountId": account.id}, facts={**facts, "account": account})

        return await self._form(request, viewer, "assign", prepare, line=line)

    # --- tariffs

    async def new_tariff(self, request: Request, viewer: auth.Administrator) -> Response:
        defaults = await sql.row(self.database, "operator_defaults", DefaultsRow)

        async def prepare(said: Said) -> Ask:
            name, currency = said.required("name", "name_missing")[:128], _currency(said)
            version = _version(said, currency, free=False)
            body = {"name": name, "description": said.text("description"), "currency": currency, **version}
            since = said.day("since")
            facts = {"currency": currency, "since": since, "months": _split(since, version["price"])}
            return Ask("/tariffs", body, facts=facts)

        currency = defaults.currency if defaults else "EUR"
        return await self._form(request, viewer, "new_tariff", prepare, tariff=None, currency=currency, earliest=_earliest())

    async def edit_tariff(self, request: Request, viewer: auth.Administrator, tariff_id: AccountId) -> Response:
        tariff = await self._tariff(tariff_id)

        async def prepare(said: Said) -> Ask:
            name = said.required("name", "name_missing")[:128]
            body = {"name": name, "description": said.text("description"), "offered": said.checked("offered")}
            return Ask(f"/tariffs/{tariff_id}", body, "PUT", facts={"offered": body["offered"]})

        return await self._form(request, viewer, "edit_tariff", prepare, tariff=tariff)

    async def version(self, request: Request, viewer: auth.Administrator, tariff_id: AccountId) -> Response:
        """A price or features from a day on."""
        tariff = await self._tariff(tariff_id)
        currency = tariff.currency or "EUR"

        async def prepare(said: Said) -> Ask:
            since, version = said.day("since"), _version(said, currency, free=tariff.free)
            if since < _earliest():
                raise Refused("begun", f"Let it begin on {_earliest()} or later.", earliest=_earliest())
            used = await sql.value(self.database, "operator_tariff_use", tariff_id=tariff_id)
            before = tariff.on(since)
            facts = {"months": _split(since, version["price"]), "used": used, "before": before, "since": since}
            replaced = any(one.since == since for one in tariff.versions)
            return Ask(f"/tariffs/{tariff_id}/versions", version, facts={**facts, "replaced": replaced, "currency": currency})

        return await self._form(
            request, viewer, "version", prepare, tariff=tariff, currency=currency, earliest=_earliest(), last=tariff.versions[-1]
        )

    async def defaults(self, request: Request, viewer: auth.Administrator) -> Response:
        """What new accounts begin with."""
        tariffs = await self._tariffs()
        defaults = await sql.row(self.database, "operator_defaults", DefaultsRow)

        async def prepare(said: Said) -> Ask:
            currency, tariff_id = _currency(said), said.whole("tariffId")
            tariff = tariffs.get(tariff_id)
            if tariff is None:
                raise Refused("no_tariff", "There is no such tariff.")
            if tariff.currency not in (None, currency):
                raise Refused("other_currency", f"{tariff.name} is priced in {tariff.currency}.", name=tariff.name)
            return Ask(
                "/defaults", {"currency": currency, "tariffId": tariff_id}, "PUT", {"tariff": tariff, "currency": currency}
            )

        choices = sorted((one for one in tariffs.values() if one.offered), key=lambda one: (not one.free, one.id))
        return await self._form(request, viewer, "defaults", prepare, defaults=defaults, choices=choices)

    # ---

    async def _form(
        self, request: Request, viewer: Viewer, what: str, prepare: Prepare, *, at_once: bool = False, **context: Any
    ) -> Response:
        """The fields, or what comes of them. `at_once`: there are none."""
        form = FormData()
        if request.method == "POST":
            async with request.form(max_fields=FIELDS, max_files=0) as sent:
                form = FormData(sent.multi_items())  # texts alone: there is nothing to be closed
        ask, refused = None, None
        if at_once or (request.method == "POST" and "back" not in form):
            try:
                ask = await prepare(Said(form))
            except Refused as error:
                refused = error
        given = [(name, value) for name, value in form.multi_items() if isinstance(value, str) and name != "back"]
        return self.pages.page(
            request,
            viewer,
            f"parts/operator_{what}.html",
            ask=ask,
            refused=refused,
            given=given,
            values=dict(given) if request.method == "POST" else None,
            chosen={int(value) for name, value in given if name == "no" and value.isdecimal()},
            address=request.url.path,
            key=uuid4(),
            at_once=at_once,
            named=NAMED,
            **speech(self.pages.server.settings),
            **context,
        )

    async def _account(self, account_id: int) -> AccountView:
        return await self._found("account", "operator_account", AccountView, id=account_id)

    async def _numbered(self, number: str) -> AccountView:
        """By the number that customers write, or the id. Raises Refused."""
        bare = number.replace(" ", "")
        account_id = account_of(bare) or (int(bare) if bare.isascii() and bare.isdecimal() and len(bare) < 10 else 0)
        found = await sql.row(self.database, "operator_account", AccountView, id=account_id)
        if found is None:
            raise Refused("no_account", "There is no account of this number.")
        return found

    async def _tracker(self, account_id: int, device_id: int) -> TrackerName:
        return await self._found("tracker", "operator_tracker", TrackerName, account_id=account_id, device_id=device_id)

    async def _payment(self, payment_id: int) -> PaymentRow:
        nothing = {"account_id": None, "flagged": False, "state": None, "provider": None, "before": None, "limit": 1}
        return await self._found("payment", "operator_payments", PaymentRow, id=payment_id, **nothing)

    async def _refund(self, refund_id: int) -> RefundRow:
        nothing = {"account_id": None, "states": None, "before": None, "limit": 1}
        return await self._found("refund", "operator_refunds", RefundRow, id=refund_id, **nothing)

    async def _found(self, what: str, query: str, kind: type[Row], **asked: Any) -> Row:
        found = await sql.row(self.database, query, kind, **asked)
        if found is None:
            raise not_found(what)
        return found

    async def _tariffs(self) -> dict[int, Tariff]:
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            return await all_tariffs(connection)

    async def _tariff(self, tariff_id: int) -> Tariff:
        found = (await self._tariffs()).get(tariff_id)
        if found is None:
            raise not_found("tariff")
        return found


async def _tried(book: Book, act: Callable[[], Awaitable[Outcome]]) -> dict[str, Any]:
    """What comes of it, taken back."""
    before = book.balance
    async with rehearsed(book):
        outcome = await act()
        after = book.balance
    return {"before": before, "after": after, "outcome": outcome}


async def _freed(act: Awaitable[object]) -> Outcome:
    """Of what doesn't tell which trackers it frees."""
    await act
    return Outcome()


async def _second(both: Awaitable[tuple[Any, Outcome]]) -> Outcome:
    """What the core's functions give beside the outcome is of something that will not have been."""
    return (await both)[1]


def _amount(said: Said, name: str, currency: str) -> int:
    """Of money that comes in. Raises Refused."""
    found = parsed(said.text(name), currency)
    if found <= 0:
        raise Refused("bad_amount", "Give an amount above zero.")
    return found


def _currency(said: Said) -> str:
    found = said.text("currency").upper()
    if not is_currency(found):
        raise Refused("bad_currency", "Give a currency by its three letters, such as KZT.")
    return found


def _version(said: Said, currency: str, *, free: bool) -> dict[str, Any]:
    """As the API takes it. Raises Refused."""
    price = 0 if free else _amount(said, "price", currency)
    return {
        "since": said.day("since").isoformat(),
        "price": price,
        "smsPrice": 0 if free or not said.text("smsPrice") else parsed(said.text("smsPrice"), currency),
        "historyDays": said.limit("historyDays", least=1),
        "zones": said.limit("zones"),
        "proximities": said.limit("proximities"),
        "sms": said.checked("sms"),
        "reports": said.checked("reports"),
        "api": said.checked("api"),
    }


def _earliest() -> date:
    """The first day that has begun nowhere."""
    return (datetime.now(UTC) + EARLIEST_ZONE).date() + timedelta(days=1)


def _split(since: date, price: int) -> list[dict[str, Any]]:
    """How the price falls on the days of three months: what days cost, and how many cost so."""
    found = []
    first = since.replace(day=1)
    for _ in range(3):
        following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
        amounts = [share(price, first + timedelta(days=n)) for n in range((following - first).days)]
        found.append({"month": first, "shares": [(amount, amounts.count(amount)) for amount in sorted(set(amounts))]})
        first = following
    return found
