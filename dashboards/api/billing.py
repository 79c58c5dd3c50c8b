"""An account's money as its people see it: balance and outlook, trackers with their price, tariffs, what something would cost.

Every POST takes an Idempotency-Key (`dashboards/idempotency.py`). Administrators may add `accountId` to look at, or act for, any
account. Statements are in `statements.py`, payments and refunds in `payments.py`, what the provider does in `operator.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from billing import forecast, refunds
from billing.book import open_book
from billing.catalogue import Tariff, Version, all_tariffs
from billing.errors import Refused
from billing.money import LARGEST, digits
from billing.rules import COVERED_DAYS, share
from billing.tariffs import change, changes_left
from billing.trackers import Tracker, block, rehearsed, set_test, unblock
from billing.trackers import connection_cost as cost_of_connection
from dashboards import auth, cabinet, sql
from dashboards.api import answers
from dashboards.api.parameters import Body, Day, DeviceId, Id, Note, Paged
from dashboards.billing_shapes import (
    BillOut,
    ConnectionOut,
    DayCost,
    EstimateOut,
    LostOut,
    OfferOut,
    OutcomeOut,
    OutlookOut,
    TariffPreviewOut,
    TrackerOut,
    charges,
    from_day,
    from_offer,
    from_outcome,
    from_tariff,
    from_version,
)
from dashboards.connecting import tracker_deed
from dashboards.idempotency import Once
from dashboards.shapes import instant
from dashboards.state import Shared

router = APIRouter(prefix="/api/billing", tags=["Billing"])
LONGEST_OUTLOOK_DAYS = 366
CONNECTED_AT_ONCE = 500
FEATURES = ("history_days", "zones", "proximities", "sms", "reports", "api")


class TariffChoice(Body):
    tariff_id: Id


class Reason(Body):
    reason: Note = ""


class TestChoice(Body):
    test: Annotated[bool, Field(strict=True)]


@router.get("", responses=answers.shaped(BillOut))
async def bill(account_id: auth.Account, shared: Shared) -> Response:
    """How it stands."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        found = await cabinet.bill_of(connection, account_id)
        may_withdraw = await refunds.can_withdraw(connection, account_id, found.day)
        most = await refunds.refundable(connection, account_id, found.balance)
    return answers.json(
        BillOut(
            account_id=account_id,
            account_number=found.account_number,
            currency=found.currency,
            digits=found.digits,
            balance=found.balance,
            reserved=found.set_aside.refund,
            reserved_sms=found.set_aside.sms,
            tariff=from_tariff(found.tariff),
            version=from_version(found.version),
            changes_left=found.changes_left,
            next_change=None if found.changes_left else found.next_change,
            day=found.day,
            days_left=found.days_left,
            runs_out=found.runs_out,
            trackers=len(found.found),
            blocked=found.counts.blocked,
            unpaid=found.unpaid,
            missing=found.missing,
            can_withdraw=may_withdraw,
            refundable=most,
        )
    )


@router.get("/outlook", responses=answers.shaped(OutlookOut))
async def outlook(
    account_id: auth.Account, shared: Shared, days: Annotated[int, Query(ge=1, le=LONGEST_OUTLOOK_DAYS)] = 60
) -> Response:
    """The coming days, from tomorrow on, if nothing else happens."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        found = await forecast.outlook(connection, account_id, days=days)
    return answers.json(OutlookOut(found.currency, digits(found.currency), found.balance, [from_day(day) for day in found.days]))


@router.get("/trackers", responses=answers.shaped(list[TrackerOut]))
async def trackers(account_id: auth.Account, shared: Shared, page: Paged, request: Request) -> Response:
    """In the order in which they are paid for, blocked ones and the reason among them. `price` is tomorrow's charge."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        found = await cabinet.bill_of(connection, account_id)
    rows = found.found[page.offset : page.offset + page.limit]

    def shape(tracker: Tracker) -> TrackerOut:
        row = found.row(tracker, shared.server.status(tracker.device_id).heard)
        return TrackerOut(
            device_id=row.device_id,
            name=row.name,
            unique_id=row.unique_id,
            state=row.state,
            blocked=row.blocked,
            reason=row.reason,
            unpaid=row.unpaid,
            connected_at=instant(tracker.connected_at),
            covered_until=tracker.covered_until,
            price=row.price,
            unblock_cost=row.unblock_cost,
            last_heard=None if row.last_heard is None else instant(row.last_heard),
        )

    return await answers.listed(rows, shape, page.headers(len(found.found), request))


@router.post("/trackers/{device_id}/unblock", responses=answers.shaped(OutcomeOut))
async def unblock_tracker(device_id: DeviceId, account_id: auth.Account, once: Once) -> Response:
    """Today is charged, or what was unpaid of its connection, and it works."""
    return await tracker_deed(once, account_id, device_id, "tracker.unblocked", unblock)


@router.post("/trackers/{device_id}/block", responses=answers.shaped(OutcomeOut))
async def block_tracker(device_id: DeviceId, reason: Reason, account_id: auth.Account, once: Once) -> Response:
    """By its owner: it is off the map, tells nothing and costs nothing from tomorrow on."""
    why = reason.reason
    return await tracker_deed(once, account_id, device_id, "tracker.blocked", partial(block, reason=why), reason=why)


@router.post("/trackers/{device_id}/test", responses=answers.shaped(OutcomeOut))
async def test_tracker(device_id: DeviceId, choice: TestChoice, account_id: auth.Account, once: Once) -> Response:
    """An account's test tracker costs nothing. Made an ordinary one, it is connected anew."""
    test = choice.test
    return await tracker_deed(once, account_id, device_id, "tracker.test", partial(set_test, test=test), test=test)


@router.get("/connection", responses=answers.shaped(ConnectionOut))
async def connection_cost(
    account_id: auth.Account, shared: Shared, count: Annotated[int, Query(ge=1, le=CONNECTED_AT_ONCE)] = 1
) -> Response:
    """What connecting so many more trackers costs now. `blocked`: how many of them the balance doesn't pay for."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        book = await cabinet.read_book(connection, account_id)
    one, balance = cost_of_connection(book), book.balance  # not rehearsed: devices' numbers are used up even so
    short = max(0, count - balance // one) if one else 0
    return answers.json(ConnectionOut(count, count * one, balance, not short, short, book.currency, digits(book.currency)))


@router.get("/calculator", responses=answers.shaped(EstimateOut))
async def calculator(
    account_id: auth.Account,
    shared: Shared,
    trackers: Annotated[int, Query(ge=1, le=cabinet.MOST_TRACKERS)] = 1,
    days: Annotated[int, Query(ge=1, le=cabinet.LONGEST_DAYS)] = 31,
    tariff_id: Annotated[Id | None, Query(alias="tariffId", description="the account's own, unless said otherwise")] = None,
    start: Annotated[Day | None, Query(description="the day of their connection; today, unless said otherwise")] = None,
    balance: Annotated[int | None, Query(ge=0, le=LARGEST, description="the account's own, unless said otherwise")] = None,
) -> Response:
    """What so many new trackers cost in so many days, and how long the balance lasts for them."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        found = await cabinet.bill_of(connection, account_id)
        known = {offer.id for offer in await cabinet.offers(connection, found)}
        all_known = await all_tariffs(connection)
    wanted = tariff_id or found.tariff.id
    if wanted not in known:
        raise Refused("no_tariff", "There is no such tariff, or it isn't offered to this account.")
    tariff, begin = all_known[wanted], start or found.day
    money = found.balance if balance is None else balance
    result = cabinet.estimated(tariff, trackers, days, begin, money)
    return answers.json(
        EstimateOut(
            tariff_id=wanted,
            trackers=trackers,
            days=days,
            start=begin,
            currency=found.currency,
            digits=found.digits,
            connection=result.connection,
            service=result.service,
            total=result.total,
            balance=money,
            enough=result.total <= money,
            lasts_days=result.lasts,
            per_day=list(_per_day(tariff, trackers, days, begin)),
        )
    )


def _per_day(tariff: Tariff, trackers: int, days: int, start: date) -> Iterator[DayCost]:
    """Adds up to the estimate."""
    for passed in range(days):
        day = start + timedelta(days=passed)
        connection = trackers * tariff.on(day).price if passed == 0 else 0
        service = trackers * share(tariff.on(day).price, day) if passed >= COVERED_DAYS else 0
        yield DayCost(day, connection + service)


@router.get("/tariffs", responses=answers.shaped(list[OfferOut]))
async def list_tariffs(account_id: auth.Account, shared: Shared) -> Response:
    """What the account is on and may choose, the cheapest first."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        found = await cabinet.bill_of(connection, account_id)
        offers = await cabinet.offers(connection, found)
        known = await all_tariffs(connection)
    return answers.json([from_offer(known[offer.id], found.day, found.tariff.id) for offer in offers])


@router.post("/tariff", responses=answers.shaped(OutcomeOut))
async def change_tariff(choice: TariffChoice, account_id: auth.Account, once: Once) -> Response:
    """Twice a month. From the free one to a paid one each tracker's connection is charged; otherwise the change costs nothing."""
    async with once.book(account_id) as book:
        before = book.tariff.name
        outcome = await change(book, choice.tariff_id)
        details = {"tariff": [before, book.tariff.name], "charged": outcome.total, "currency": book.currency}
        await once.actor.note(book.connection, "tariff.changed", account_id=account_id, subject=book.tariff.name, details=details)
        return await once.keep(book.connection, from_outcome(outcome, book.balance, book.currency))


@router.post("/tariff/preview", responses=answers.shaped(TariffPreviewOut))
async def preview_tariff(choice: TariffChoice, account_id: auth.Account, shared: Shared, once: Once) -> Response:
    """What changing to it would do: it is done, and taken back. Nothing of it is kept, not even for its Idempotency-Key."""
    async with open_book(shared.server.database, account_id, user_id=once.viewer.user_id) as book:
        before, used = book.version, await cabinet.used(book.connection, account_id)
        async with rehearsed(book):
            outcome = await change(book, choice.tariff_id)
            after, balance, left = book.version, book.balance, await changes_left(book)
        preview = TariffPreviewOut(
            charges=charges(outcome),
            total=outcome.total,
            blocked=outcome.blocked,
            unblocked=outcome.unblocked,
            balance=balance,
            currency=book.currency,
            digits=digits(book.currency),
            changes_left=left,
            lost=lost(before, after, used),
        )
        return answers.json(preview)


def lost(before: Version, after: Version, used: cabinet.Used) -> list[LostOut]:
    """What a version allows and the next one doesn't."""
    found = []
    for feature in FEATURES:
        was, becomes = getattr(before, feature), getattr(after, feature)
        if becomes is None or becomes is True or (was is not None and was <= becomes):
            continue
        there = getattr(used, feature, None)
        found.append(LostOut(feature, was, becomes, there, _lost_text(feature, becomes, there)))
    return found


def _lost_text(feature: str, limit: int | bool, used: int | None) -> str:
    if feature == "history_days":
        return f"What comes in from now on is kept in view for {limit} days; what came before keeps its depth."
    if feature in ("zones", "proximities"):
        over = max(0, (used or 0) - limit)
        stays = f" {over} of the {used} there are too many: they stay, but none can be added." if over else ""
        return f"At most {limit} {feature}.{stays}"
    return {
        "sms": "Alerts go by e-mail instead of SMS.",
        "reports": "No reports.",
        "api": "No API: tokens and Basic authorization open nothing.",
    }[feature]
