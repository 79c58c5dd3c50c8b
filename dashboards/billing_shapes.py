"""What the API gives of money. Amounts are whole minor units of `currency`, `digits` of them decimals; days the account's."""

from __future__ import annotations

from datetime import date
from typing import Any

from billing.catalogue import Tariff, Version
from billing.forecast import Day
from billing.money import digits
from billing.statement import Head, StatementLine
from billing.trackers import Outcome
from dashboards.shapes import Shape, instant


class VersionOut(Shape, frozen=True):
    """From this day on, until the next version's. null: without a limit."""

    id: int
    since: date
    price: int  # of a tracker a month
    sms_price: int
    history_days: int | None
    zones: int | None
    proximities: int | None
    sms: bool
    reports: bool
    api: bool


class TariffOut(Shape, frozen=True):
    id: int
    name: str
    description: str
    currency: str | None  # null: the free one
    free: bool
    offered: bool


class OfferOut(TariffOut, frozen=True):
    version: VersionOut  # in force
    next: VersionOut | None  # announced
    current: bool


class TariffDetail(TariffOut, frozen=True):
    """As operators see it."""

    versions: list[VersionOut]
    accounts: int  # that are on it


class BillOut(Shape, frozen=True):
    account_id: int
    account_number: str  # what transfers are to name
    currency: str
    digits: int
    balance: int  # money at hand
    reserved: int  # set aside for refunds
    reserved_sms: int  # for SMS on their way
    tariff: TariffOut
    version: VersionOut
    changes_left: int  # of the tariff, this month
    next_change: date | None  # when none is left: the day it can be changed again
    day: date  # the account's
    days_left: int | None  # after this one that the money pays for; null: nothing is charged, or it lasts ten years
    runs_out: date | None  # the first day that it can't pay for
    trackers: int
    blocked: int
    unpaid: int  # of the blocked: for want of money
    missing: int  # what would let them work today
    can_withdraw: bool
    refundable: int


class DayOut(Shape, frozen=True):
    day: date
    amount: int
    balance: int
    blocked: int


class DayCost(Shape, frozen=True):
    day: date
    amount: int


class OutlookOut(Shape, frozen=True):
    currency: str
    digits: int
    balance: int
    days: list[DayOut]


class StatementLineOut(Shape, frozen=True):
    day: date
    at: str
    entry_id: int
    no: int
    kind: str
    device_id: int | None
    device_name: str | None
    unique_id: str | None
    tariff: str | None
    price: int | None
    amount: int
    balance: int
    memo: str | None
    reverses: int | None
    reverses_no: int | None
    lines: int  # that were put together


class StatementOut(Shape, frozen=True):
    """opening + what came + what went = closing. `total` is how many lines there are, of which these are some."""

    account_id: int
    currency: str
    digits: int
    since: date
    until: date
    opening: int
    came: int
    went: int
    closing: int
    total: int
    lines: list[StatementLineOut]


class TrackerOut(Shape, frozen=True):
    device_id: int
    name: str
    unique_id: str
    state: str
    blocked: str | None
    reason: str
    unpaid: str | None
    connected_at: str
    covered_until: date | None
    price: int
    unblock_cost: int | None
    last_heard: str | None


class ChargeOut(Shape, frozen=True):
    device_id: int
    name: str
    what: str  # connection or daily
    amount: int


class OutcomeOut(Shape, frozen=True):
    """What was charged, whom it blocked and freed, by name, and the money that is left."""

    charges: list[ChargeOut]
    total: int
    blocked: list[str]
    unblocked: list[str]
    balance: int
    currency: str
    digits: int
    entry_id: int | None = None


class LostOut(Shape, frozen=True):
    """A feature that shrinks. null: without a limit."""

    feature: str
    before: int | bool | None
    after: int | bool | None
    used: int | None  # zones and proximities that there are; those that are too many stay
    text: str


class TariffPreviewOut(Shape, frozen=True):
    charges: list[ChargeOut]
    total: int
    blocked: list[str]
    unblocked: list[str]
    balance: int  # after it
    currency: str
    digits: int
    changes_left: int  # after it
    lost: list[LostOut]


class ConnectionOut(Shape, frozen=True):
    """`amount` is what so many more trackers cost now; `blocked` of them would have to wait for money."""

    count: int
    amount: int
    balance: int
    enough: bool
    blocked: int
    currency: str
    digits: int


class EstimateOut(Shape, frozen=True):
    """`service` are the daily charges. `lasts_days`: for how many days from `start` on the balance pays; null: for no day."""

    tariff_id: int
    trackers: int
    days: int
    start: date
    currency: str
    digits: int
    connection: int
    service: int
    total: int
    balance: int
    enough: bool
    lasts_days: int | None
    per_day: list[DayCost]


class AuditOut(Shape, frozen=True):
    id: int
    at: str
    user_id: int | None
    user_name: str
    by_provider: bool
    account_id: int | None
    account: str | None
    action: str
    subject: str
    details: dict[str, Any]
    address: str


class OperatorAccountOut(Shape, frozen=True):
    id: int
    account_number: str
    name: str
    disabled: bool
    currency: str
    digits: int
    balance: int
    tariff: str
    free: bool
    trackers: int
    blocked: int
    email: str | None
    flagged: bool  # a payment of theirs waits for an operator
    refund: bool  # asked for, and not decided


class DefaultsOut(Shape, frozen=True):
    """What new accounts begin with."""

    currency: str
    tariff_id: int


def from_version(version: Version) -> VersionOut:
    return VersionOut(**{name: getattr(version, name) for name in VersionOut.__struct_fields__})


def from_tariff(tariff: Tariff) -> TariffOut:
    return TariffOut(tariff.id, tariff.name, tariff.description, tariff.currency, tariff.free, tariff.offered)


def tariff_detail(tariff: Tariff, accounts: int) -> TariffDetail:
    versions = [from_version(version) for version in tariff.versions]
    return TariffDetail(
        tariff.id, tariff.name, tariff.description, tariff.currency, tariff.free, tariff.offered, versions, accounts
    )


def from_offer(tariff: Tariff, day: date, current: int) -> OfferOut:
    following = next((version for version in tariff.versions if version.since > day), None)
    return OfferOut(
        tariff.id,
        tariff.name,
        tariff.description,
        tariff.currency,
        tariff.free,
        tariff.offered,
        version=from_version(tariff.on(day)),
        next=None if following is None else from_version(following),
        current=tariff.id == current,
    )


def from_day(day: Day) -> DayOut:
    return DayOut(day.day, day.amount, day.balance, day.blocked)


def from_line(line: StatementLine) -> StatementLineOut:
    return StatementLineOut(
        day=line.day,
        at=instant(line.at),
        entry_id=line.entry_id,
        no=line.no,
        kind=line.kind,
        device_id=line.device_id,
        device_name=line.name,
        unique_id=line.unique_id,
        tariff=line.tariff,
        price=line.price,
        amount=line.amount,
        balance=line.balance,
        memo=line.memo,
        reverses=line.reverses,
        reverses_no=line.reverses_no,
        lines=line.lines,
    )


def from_statement(head: Head, currency: str, lines: list[StatementLine]) -> StatementOut:
    selection = head.selection
    return StatementOut(
        account_id=selection.account_id,
        currency=currency,
        digits=digits(currency),
        since=selection.since,
        until=selection.until,
        opening=head.opening,
        came=head.totals.came,
        went=head.totals.went,
        closing=head.closing,
        total=head.total,
        lines=[from_line(line) for line in lines],
    )


def charges(outcome: Outcome) -> list[ChargeOut]:
    return [ChargeOut(charge.device_id, charge.name, charge.what, charge.amount) for charge in outcome.charges]


def from_outcome(outcome: Outcome, balance: int, currency: str, entry_id: int | None = None) -> OutcomeOut:
    return OutcomeOut(
        charges(outcome), outcome.total, outcome.blocked, outcome.unblocked, balance, currency, digits(currency), entry_id
    )
