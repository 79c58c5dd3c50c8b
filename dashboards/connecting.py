"""Trackers come, go, change hands, are blocked and work again: stored, paid for and told to the audit log in one transaction with
their account's book."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import msgspec
from fastapi import Response
from psycopg import AsyncConnection
from psycopg.errors import ForeignKeyViolation, RestrictViolation, UniqueViolation
from psycopg.types.json import Jsonb

import billing.sql
from billing.book import book_on, open_book
from billing.ledger import Book
from billing.money import digits
from billing.trackers import Outcome, set_test, settle
from dashboards import sql
from dashboards.audited import Actor
from dashboards.billing_shapes import from_outcome
from dashboards.idempotency import Deed
from dashboards.problems import Problem, not_found
from dashboards.shapes import ConnectedOut, DeviceRow
from dashboards.state import State
from telematics.store import audit

FIELDS = ("name", "unique_id", "phone", "model", "contact", "category", "disabled", "group_id", "attributes")


async def add(
    shared: State, actor: Actor, account_id: int, values: Mapping[str, Any], *, test: bool = False
) -> tuple[DeviceRow, ConnectedOut]:
    """A device of the account; its connection is charged at once, or it is blocked for want of money. `test`: as the account's
    test tracker, which costs nothing.

    Raises Problem when the tracker is in use, Refused when there is no such account, or `test` and it has a test tracker.
    """
    with _told(values):
        async with open_book(shared.server.database, account_id, user_id=actor.viewer.user_id) as book:
            row = await _saved(book.connection, "device_add", values, account_id=account_id)
            await sql.run_on(book.connection, "unknown_tracker_remove", unique_id=row.unique_id, protocol=None)
            if test:  # before its connection is charged: nothing is given back for one that becomes the test later
                await set_test(book, row.id, True)
            told = await _connected(book)
            row = await _marked(book.connection, row)
            details = {"name": row.name, "uniqueId": row.unique_id, "charged": told.charged, "currency": told.currency}
            details |= {"test": True} if test else {}
            await actor.note(book.connection, "device.added", account_id=account_id, subject=subject(row.id), details=details)
    await refreshed(shared, row.id)
    return row, told


async def change(shared: State, actor: Actor, before: DeviceRow, values: Mapping[str, Any]) -> DeviceRow:
    """Raises Problem when the tracker is in use, or it went away meanwhile."""
    with _told(values):
        async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
            # As whoever pays for it does: the account first. Otherwise the two could wait for each other.
            await connection.execute(billing.sql.text("lock_account"), {"account_id": before.account_id}, prepare=False)
            row = await _changed(connection, actor, before, before.account_id, values)
            await _note(connection, actor, before, row, before.account_id)
    await refreshed(shared, row.id)
    return row


async def move(
    shared: State, actor: Actor, before: DeviceRow, account_id: int, values: Mapping[str, Any]
) -> tuple[DeviceRow, ConnectedOut]:
    """To another account, where it is connected anew. Raises as `change` and `add` do."""
    user_id = actor.viewer.user_id
    with _told(values):
        async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
            books = [await book_on(connection, one, user_id=user_id) for one in sorted({before.account_id, account_id})]
            book = next(book for book in books if book.account_id == account_id)
            row = await _changed(connection, actor, before, account_id, values)
            told = await _connected(book)
            row = await _marked(connection, row)
            await _note(connection, actor, before, row, before.account_id)
            details = {"name": row.name, "uniqueId": row.unique_id, "charged": told.charged, "currency": told.currency}
            await actor.note(connection, "device.added", account_id=account_id, subject=subject(row.id), details=details)
    await refreshed(shared, row.id)
    return row, told


async def remove(shared: State, actor: Actor, before: DeviceRow) -> None:
    """Its days up to today are charged before. Raises Problem when it is gone."""
    async with open_book(shared.server.database, before.account_id, user_id=actor.viewer.user_id) as book:
        if not await sql.run_on(book.connection, "device_remove", id=before.id, **actor.viewer.scope):
            raise not_found("device")
        details = {"name": before.name, "uniqueId": before.unique_id}
        await actor.note(
            book.connection, "device.removed", account_id=before.account_id, subject=subject(before.id), details=details
        )
    await refreshed(shared, before.id)


async def tracker_deed(
    once: Deed, account_id: int, device_id: int, action: str, do: Callable[[Book, int], Awaitable[Outcome]], **details: Any
) -> Response:
    """Blocked, unblocked, made the test tracker: once under its key. The audit log gets `details` and, where there was one, the
    price."""
    async with once.book(account_id) as book:
        outcome = await do(book, device_id)
        if outcome.charges:
            details |= {"charged": outcome.total, "currency": book.currency}
        await once.actor.note(book.connection, action, account_id=account_id, subject=subject(device_id), details=details)
        answer = await once.keep(book.connection, from_outcome(outcome, book.balance, book.currency))
    await refreshed(once.state, device_id)
    return answer


async def refreshed(shared: State, device_id: int) -> None:
    """At once; if the database fails just now, the change is stored all the same, and the server hears of it a little later."""
    with contextlib.suppress(*sql.UNREACHABLE):
        await shared.server.refresh_device(device_id)


def subject(device_id: int) -> str:
    """Of the audit log."""
    return f"device {device_id}"


async def _connected(book: Book) -> ConnectedOut:
    """What was due before the book was opened is settled: what is settled now is the new one."""
    outcome = await settle(book)
    needed = book.version.price if outcome.blocked else 0
    return ConnectedOut(outcome.total, bool(outcome.blocked), needed, book.balance, book.currency, digits(book.currency))


async def _marked(connection: AsyncConnection[Any], row: DeviceRow) -> DeviceRow:
    """With what blocks it: want of money, or an administrator's block from before it was removed."""
    found = await (await connection.execute(sql.text("device_blocked"), {"id": row.id})).fetchone()
    return msgspec.structs.replace(row, blocked=found[0] if found else None)


async def _changed(
    connection: AsyncConnection[Any], actor: Actor, before: DeviceRow, account_id: int, values: Mapping[str, Any]
) -> DeviceRow:
    return await _saved(connection, "device_change", values, id=before.id, new_account_id=account_id, **actor.viewer.scope)


async def _saved(connection: AsyncConnection[Any], query: str, values: Mapping[str, Any], **more: Any) -> DeviceRow:
    stored = {**values, "group_id": values["group_id"] or None, "attributes": Jsonb(values["attributes"])}
    rows = await sql.rows_on(connection, query, DeviceRow, **stored, **more)
    if not rows:
        raise not_found("group" if values["group_id"] else "device")
    return rows[0]


async def _note(connection: AsyncConnection[Any], actor: Actor, before: DeviceRow, after: DeviceRow, account_id: int) -> None:
    names = (*FIELDS, "account_id")
    was, now = ({name: getattr(row, name) for name in names} for row in (before, after))
    details = audit.changed(was, now)
    if details:
        await actor.note(connection, "device.changed", account_id=account_id, subject=subject(before.id), details=details)


@contextlib.contextmanager
def _told(values: Mapping[str, Any]) -> Iterator[None]:
    """What the database refuses, in words."""
    try:
        yield
    except UniqueViolation:
        raise Problem(
            400,
            f"The tracker {values['unique_id']} is in use already",
            "Each uniqueId can be added once: check the number, or remove the device that has it. "
            "If it isn't one of yours, ask the administrator.",
        ) from None
    except RestrictViolation as error:
        if error.diag.constraint_name != "blocked_number_stays":
            raise
        raise Problem(
            409, "The tracker's number stays as it is", "The provider has blocked the tracker: ask there, or leave its uniqueId."
        ) from None
    except ForeignKeyViolation as error:  # an account, or a group that went away meanwhile
        raise not_found("group" if "group" in (error.diag.constraint_name or "") else "account") from None
