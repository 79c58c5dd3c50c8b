"""Rows of the operator's pages, each named after its query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AccountRow:
    """Of `operator_accounts.sql`."""

    id: int
    name: str
    disabled: bool
    currency: str
    balance: int
    total: int
    tariff: str
    free: bool
    trackers: int
    blocked: int
    email: str | None
    flagged: bool
    refund: bool


@dataclass(frozen=True, slots=True)
class AccountView:
    """Of `operator_account.sql`."""

    id: int
    name: str
    disabled: bool
    time_zone: str
    created_at: datetime
    currency: str
    tariff_id: int
    charged_through: date | None
    balance: int
    reserved: int
    trackers: int
    blocked: int
    test: int
    flagged: int
    refunds: int
    emails: list[str]
    mqtt_publish: bool
    mqtt_discovery: bool


@dataclass(frozen=True, slots=True)
class TrackerRow:
    """Of `operator_trackers.sql`."""

    device_id: int
    name: str
    unique_id: str
    connected_at: datetime
    covered_until: date | None
    connection_due: bool
    test: bool
    blocked: str | None
    reason: str
    unpaid: str | None
    blocked_since: datetime | None
    heard: datetime | None
    total: int
    by_administrator: bool


@dataclass(frozen=True, slots=True)
class TrackerName:
    """Of `operator_tracker.sql`."""

    id: int
    device_id: int
    name: str
    unique_id: str
    blocked: str | None
    test: bool


@dataclass(frozen=True, slots=True)
class EntryRow:
    """Of `operator_entries.sql`."""

    id: int
    kind: str
    amount: int
    day: date
    at: datetime
    memo: str | None
    reverses: int | None
    user_id: int | None
    user_name: str | None
    trackers: int
    tracker: str | None
    reversed: int


@dataclass(frozen=True, slots=True)
class LineRow:
    """Of `operator_lines.sql`."""

    entry_id: int
    kind: str
    day: date
    currency: str
    memo: str | None
    no: int
    amount: int
    tracker: str | None
    unique_id: str | None
    reversed_by: int | None


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """Of `operator_payments.sql`."""

    id: int
    reference: str
    account_id: int
    account: str
    provider: str
    provider_id: str | None
    amount: int
    currency: str
    state: str
    reason: str | None
    flagged: str | None
    received: int | None
    refunded: int
    entry_id: int | None
    note: str | None
    created_at: datetime
    changed_at: datetime
    paid_at: datetime | None
    user_name: str | None


@dataclass(frozen=True, slots=True)
class RefundRow:
    """Of `operator_refunds.sql`."""

    id: int
    account_id: int
    account: str
    kind: str
    amount: int
    currency: str
    state: str
    comment: str
    reason: str | None
    user_name: str | None
    decided_by: str | None
    created_at: datetime
    decided_at: datetime | None
    parts: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class BankLineRow:
    """Of `operator_bank_lines.sql` and `operator_bank_open.sql`."""

    id: int
    day: date
    amount: int
    currency: str
    payer: str
    details: str
    account_id: int | None
    account: str | None
    payment_id: int | None
    user_name: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Of `operator_audit.sql`; the API's has one column more."""

    id: int
    at: datetime
    user_id: int | None
    user_name: str
    account_id: int | None
    account: str | None
    action: str
    subject: str
    details: dict[str, Any]
    address: str


@dataclass(frozen=True, slots=True)
class NameRow:
    name: str


@dataclass(frozen=True, slots=True)
class DefaultsRow:
    """Of `operator_defaults.sql`."""

    currency: str
    tariff_id: int
