"""Tariffs: what a tracker costs and what an account may do, by day; and changing from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from billing import sql
from billing.catalogue import Tariff, Version, all_tariffs
from billing.errors import Refused
from billing.ledger import Book
from billing.rules import CHANGES_A_MONTH
from billing.trackers import Outcome, settle

__all__ = [
    "NewVersion",
    "Tariff",
    "Version",
    "add",
    "add_version",
    "all_tariffs",
    "change",
    "changes_left",
    "edit",
    "next_change",
]

EARLIEST_ZONE = timedelta(hours=14)  # where a day begins first


@dataclass(frozen=True, slots=True)
class NewVersion:
    """Amounts in minor units; None: without a limit."""

    since: date
    price: int
    sms_price: int = 0
    history_days: int | None = None
    zones: int | None = None
    proximities: int | None = None
    sms: bool = True
    reports: bool = True
    api: bool = True


async def change(book: Book, tariff_id: int, *, counted: bool = True) -> Outcome:
    """To another tariff, now. From Free to a paid one each tracker's connection is charged; to Free what was unpaid is forgiven.

    `counted`: chosen by the customer, who may do so twice a month. Raises Refused: no_tariff, same_tariff, not_offered,
    other_currency, too_many_changes.
    """
    tariff = (await all_tariffs(book.connection)).get(tariff_id)
    if tariff is None:
        raise Refused("no_tariff", "There is no such tariff.")
    if tariff.id == book.tariff.id:
        raise Refused("same_tariff", f"The account is on {tariff.name} already.")
    if counted and not tariff.offered:
        raise Refused("not_offered", f"{tariff.name} is no longer on offer: choose another tariff.")
    if tariff.currency not in (None, book.currency):
        raise Refused("other_currency", f"{tariff.name} is priced in {tariff.currency}, the account's money is {book.currency}.")
    if tariff.versions[0].since > book.day:
        raise Refused("not_offered", f"{tariff.name} begins on {tariff.versions[0].since}.", since=tariff.versions[0].since)
    if counted and not await changes_left(book):
        following = next_change(book.day)
        raise Refused(
            "too_many_changes",
            f"The tariff was changed {CHANGES_A_MONTH} times this month: it can be changed again on {following}.",
            next=following,
        )
    was_free = book.tariff.free
    await sql.run(
        book.connection,
        "change_tariff",
        account_id=book.account_id,
        tariff_id=tariff.id,
        now=book.now,
        day=book.day,
        counted=counted,
        user_id=book.user_id,
    )
    book.tariff = tariff
    if not (was_free or tariff.free):
        return Outcome()
    outcome = Outcome()
    if tariff.free:
        outcome.unblocked += await book.end_blocks(("unpaid",))
    await sql.run(book.connection, "owe_connections", account_id=book.account_id, due=was_free)
    return outcome + await settle(book)


async def changes_left(book: Book) -> int:
    """How often the customer may change the tariff this month."""
    month = book.day.replace(day=1)
    made: int = await sql.value(book.connection, "changes_since", account_id=book.account_id, day=month)
    return max(0, CHANGES_A_MONTH - made)


def next_change(day: date) -> date:
    """When the count begins anew."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


async def add(connection: AsyncConnection[Any], name: str, description: str, currency: str, first: NewVersion) -> Tariff:
    """A paid tariff. Raises Refused: bad_price."""
    _paid(first)
    tariff_id = await sql.value(connection, "add_tariff", name=name, description=description, currency=currency)
    await _insert(connection, tariff_id, first)
    return (await all_tariffs(connection))[tariff_id]


async def add_version(
    connection: AsyncConnection[Any], tariff_id: int, new: NewVersion, *, now: datetime | None = None
) -> Version:
    """Another price or other features from a day on that has begun nowhere on earth; a version of that very day gives way.

    Raises Refused: no_tariff, begun, bad_price.
    """
    tariff = (await all_tariffs(connection)).get(tariff_id)
    if tariff is None:
        raise Refused("no_tariff", "There is no such tariff.")
    if tariff.free and (new.price or new.sms_price):
        raise Refused("bad_price", "The free tariff costs nothing: make another one.")
    if not tariff.free:
        _paid(new)
    today = ((now or datetime.now(UTC)).astimezone(UTC) + EARLIEST_ZONE).date()
    if new.since <= today:
        following = today + timedelta(days=1)
        raise Refused("begun", f"That day has begun somewhere: let it begin on {following} or later.", earliest=following)
    await sql.run(connection, "remove_version", tariff_id=tariff_id, since=new.since)
    await _insert(connection, tariff_id, new)
    return next(version for version in (await all_tariffs(connection))[tariff_id].versions if version.since == new.since)


async def edit(connection: AsyncConnection[Any], tariff_id: int, name: str, description: str, offered: bool) -> Tariff:
    """Its words, and whether it may be chosen. Raises Refused: no_tariff."""
    changed = await sql.run(connection, "edit_tariff", id=tariff_id, name=name, description=description, offered=offered)
    if not changed:
        raise Refused("no_tariff", "There is no such tariff.")
    return (await all_tariffs(connection))[tariff_id]


def _paid(version: NewVersion) -> None:
    if version.price <= 0 or version.sms_price < 0:
        raise Refused("bad_price", "A tariff costs something per month and nothing below zero per SMS.")


async def _insert(connection: AsyncConnection[Any], tariff_id: int, new: NewVersion) -> None:
    values = {name: getattr(new, name) for name in NewVersion.__dataclass_fields__}
    try:
        await sql.run(connection, "add_version", tariff_id=tariff_id, **values)
    except UniqueViolation as error:
        raise Refused("begun", "Somebody else has just made a version of that day: look again.") from error
