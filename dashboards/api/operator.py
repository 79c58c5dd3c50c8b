"""What the provider's administrators do with everybody's money: accounts, corrections, tariffs. Payments and refunds are in
`payments.py`.

Every POST takes an Idempotency-Key, and what was done stands in the audit log with its reason. Entries of the ledger are named
after the request, so that they aren't written twice even when the stored answer is long forgotten.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

import billing.sql
from billing import tariffs
from billing.accounts import checked, set_currency, set_defaults
from billing.book import open_book
from billing.catalogue import Tariff, all_tariffs
from billing.errors import Refused
from billing.ledger import Book
from billing.money import LARGEST, digits
from billing.numbers import account_number, account_of
from billing.tariffs import NewVersion
from billing.topup import reverse, top_up
from billing.trackers import Outcome, block_by_administrator, unblock_by_administrator
from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.parameters import (
    LARGEST_ID,
    LARGEST_POSITION_ID,
    Body,
    Day,
    DeviceId,
    Id,
    Name,
    Note,
    Paged,
    PathId,
    Reason,
)
from dashboards.audited import Author
from dashboards.billing_shapes import (
    DefaultsOut,
    OperatorAccountOut,
    OutcomeOut,
    TariffDetail,
    VersionOut,
    from_outcome,
    from_version,
    tariff_detail,
)
from dashboards.connecting import tracker_deed
from dashboards.idempotency import Once
from dashboards.operator_rows import AccountRow, DefaultsRow
from dashboards.state import Shared
from telematics.store.audit import changed

router = APIRouter(prefix="/api/billing/operator", tags=["Operator"])
MOST_LINES = 5_000  # of one entry, named one by one
AT_ONCE = 500  # accounts in one answer, each with its trackers counted
Amount = Annotated[int, Field(strict=True, gt=0, le=LARGEST, description="minor units")]
Price = Annotated[int, Field(strict=True, ge=0, le=LARGEST, description="minor units")]
Limit = Annotated[int, Field(strict=True, ge=0, le=LARGEST_ID)]
Days = Annotated[int, Field(strict=True, ge=1, le=LARGEST_ID)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="its three letters, such as KZT")]
Yes = Annotated[bool, Field(strict=True)]
Sort = Literal["name", "-name", "number", "-number", "balance", "-balance"]


class Given(Body):
    amount: Amount
    reason: Reason


class TariffChoice(Body):
    tariff_id: Id
    reason: Reason


class Wrong(Body):
    """An entry of the ledger, or (`nos`) some lines of it."""

    entry_id: Annotated[int, Field(strict=True, ge=1, le=LARGEST_POSITION_ID)]
    nos: (
        Annotated[list[Annotated[int, Field(strict=True, ge=1, le=LARGEST_ID)]], Field(min_length=1, max_length=MOST_LINES)]
        | None
    ) = None
    reason: Reason


class Blocking(Body):
    reason: Reason


class AccountMoney(Body):
    currency: Currency


class NewTariffVersion(Body):
    """What a tariff costs and allows from a day on. null: without a limit."""

    since: Day
    price: Price
    sms_price: Price = 0
    history_days: Days | None = None
    zones: Limit | None = None
    proximities: Limit | None = None
    sms: Yes = True
    reports: Yes = True
    api: Yes = True

    @property
    def version(self) -> NewVersion:
        return NewVersion(**{name: getattr(self, name) for name in NewVersion.__dataclass_fields__})


class NewTariff(NewTariffVersion):
    name: Name
    description: Note = ""
    currency: Currency


class TariffEdit(Body):
    name: Name
    description: Note
    offered: Yes


class Defaults(Body):
    currency: Currency
    tariff_id: Id


@router.get("/accounts", responses=answers.shaped(list[OperatorAccountOut]))
async def accounts(
    _: auth.Administrator,
    shared: Shared,
    request: Request,
    page: Paged,
    q: Annotated[str, Query(max_length=128, description="part of a name or e-mail, or the account's number")] = "",
    state: Annotated[
        Literal["blocked", "undecided"] | None,
        Query(description="with blocked trackers; with a payment or refund that waits for an operator"),
    ] = None,
    sort: Sort = "name",
) -> Response:
    page = replace(page, limit=min(page.limit, AT_ONCE))
    word = q.strip().replace("\0", "")
    found = await sql.rows(
        shared.server.database,
        "operator_accounts",
        AccountRow,
        ids=None,
        like=f"%{_literal(word)}%" if word else None,
        number=_number(word.replace(" ", "")),
        blocked=state == "blocked",
        undecided=state == "undecided",
        sort=sort,
        **page.sql,
    )
    return await answers.listed(found, _account, page.headers(found[0].total if found else 0, request))


def _number(word: str) -> int | None:
    """Of an account, by the number that its people know or by its id."""
    if not (word.isascii() and word.isdecimal() and len(word) < 16):
        return None
    return account_of(word) or (int(word) if 0 < int(word) <= LARGEST_ID else None)


def _literal(word: str) -> str:
    """For LIKE."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _account(row: AccountRow) -> OperatorAccountOut:
    return OperatorAccountOut(
        id=row.id,
        account_number=account_number(row.id),
        name=row.name,
        disabled=row.disabled,
        currency=row.currency,
        digits=digits(row.currency),
        balance=row.balance,
        tariff=row.tariff,
        free=row.free,
        trackers=row.trackers,
        blocked=row.blocked,
        email=row.email,
        flagged=row.flagged,
        refund=row.refund,
    )


@router.put("/accounts/{account_id}", responses=answers.shaped(OutcomeOut))
async def change_account(
    account_id: PathId, change: AccountMoney, author: Author, _: auth.Administrator, shared: Shared
) -> Response:
    """The currency of an account that has had no money yet."""
    async with open_book(shared.server.database, account_id, user_id=author.viewer.user_id) as book:
        before = book.currency
        await set_currency(book, change.currency)
        details = {"currency": [before, book.currency]}
        await author.note(book.connection, "account.currency", account_id=account_id, details=details)
        return answers.json(from_outcome(Outcome(), book.balance, book.currency))


@router.post("/accounts/{account_id}/bonus", responses=answers.shaped(OutcomeOut))
async def bonus(account_id: PathId, given: Given, _: auth.Administrator, once: Once) -> Response:
    """Money of the provider's own."""
    async with once.book(account_id) as book:
        key = await _new(book, f"bonus:{once.reference}")
        entry_id, outcome = await top_up(book, given.amount, way="bonus", kind="bonus", key=key, memo=given.reason)
        details = {"amount": given.amount, "currency": book.currency, "reason": given.reason}
        await once.actor.note(book.connection, "account.bonus", account_id=account_id, subject=entry(entry_id), details=details)
        return await once.keep(book.connection, from_outcome(outcome, book.balance, book.currency, entry_id))


@router.post("/accounts/{account_id}/reverse", responses=answers.shaped(OutcomeOut))
async def reverse_entry(account_id: PathId, wrong: Wrong, _: auth.Administrator, once: Once) -> Response:
    """A mistake is put right by an entry that takes it back."""
    async with once.book(account_id) as book:
        key, before = await _new(book, f"reversal:{once.reference}"), book.balance
        entry_id, outcome = await reverse(book, wrong.entry_id, nos=wrong.nos, memo=wrong.reason, key=key)
        details = {
            "entry": wrong.entry_id,
            "lines": None if wrong.nos is None else wrong.nos[:100],
            "amount": book.balance + outcome.total - before,
            "currency": book.currency,
            "reason": wrong.reason,
        }
        await once.actor.note(book.connection, "entry.reversed", account_id=account_id, subject=entry(entry_id), details=details)
        return await once.keep(book.connection, from_outcome(outcome, book.balance, book.currency, entry_id))


@router.post("/accounts/{account_id}/tariff", responses=answers.shaped(OutcomeOut))
async def change_tariff(account_id: PathId, choice: TariffChoice, _: auth.Administrator, once: Once) -> Response:
    """Also to one that isn't on offer, and without counting as one of the customer's two changes."""
    async with once.book(account_id) as book:
        before = book.tariff.name
        outcome = await tariffs.change(book, choice.tariff_id, counted=False)
        details = {
            "tariff": [before, book.tariff.name],
            "charged": outcome.total,
            "currency": book.currency,
            "reason": choice.reason,
        }
        await once.actor.note(book.connection, "tariff.changed", account_id=account_id, subject=book.tariff.name, details=details)
        return await once.keep(book.connection, from_outcome(outcome, book.balance, book.currency))


@router.post("/accounts/{account_id}/trackers/{device_id}/block", responses=answers.shaped(OutcomeOut))
async def block_tracker(
    account_id: PathId, device_id: DeviceId, blocking: Blocking, _: auth.Administrator, once: Once
) -> Response:
    """No top-up lifts it."""
    why = blocking.reason
    deed = partial(block_by_administrator, reason=why)
    return await tracker_deed(once, account_id, device_id, "tracker.blocked", deed, reason=why)


@router.post("/accounts/{account_id}/trackers/{device_id}/unblock", responses=answers.shaped(OutcomeOut))
async def unblock_tracker(account_id: PathId, device_id: DeviceId, _: auth.Administrator, once: Once) -> Response:
    """It works again if nothing else blocks it, and today can be paid."""
    return await tracker_deed(once, account_id, device_id, "tracker.unblocked", unblock_by_administrator)


# --- tariffs


@router.get("/tariffs", responses=answers.shaped(list[TariffDetail]))
async def list_tariffs(_: auth.Administrator, shared: Shared) -> Response:
    """All of them, with all their versions."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        known = await all_tariffs(connection)
        rows = await (await connection.execute(billing.sql.text("tariff_accounts"), prepare=False)).fetchall()
    used = {int(row[0]): int(row[1]) for row in rows}
    return answers.json([tariff_detail(tariff, used.get(tariff.id, 0)) for tariff in known.values()])


@router.post("/tariffs", responses=answers.shaped(TariffDetail))
async def add_tariff(new: NewTariff, _: auth.Administrator, once: Once) -> Response:
    """A paid one, on offer from its first day on."""
    async with once.transaction() as connection:
        made = await tariffs.add(connection, new.name, new.description, checked(new.currency), new.version)
        details = new.model_dump(mode="json", by_alias=True)
        await once.actor.note(connection, "tariff.added", account_id=None, subject=tariff_of(made.id), details=details)
        return await once.keep(connection, tariff_detail(made, 0))


@router.put("/tariffs/{tariff_id}", responses=answers.shaped(TariffDetail))
async def edit_tariff(tariff_id: PathId, edit: TariffEdit, author: Author, _: auth.Administrator, shared: Shared) -> Response:
    """Its words, and whether customers may choose it. Those who are on it stay."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        before = (await all_tariffs(connection)).get(tariff_id)
        after = await tariffs.edit(connection, tariff_id, edit.name, edit.description, edit.offered)
        assert before is not None
        details = changed(_words(before), _words(after))
        await author.note(connection, "tariff.edited", account_id=None, subject=tariff_of(tariff_id), details=details)
        return answers.json(tariff_detail(after, await _used(connection, tariff_id)))


@router.post("/tariffs/{tariff_id}/versions", responses=answers.shaped(VersionOut))
async def add_version(tariff_id: PathId, new: NewTariffVersion, _: auth.Administrator, once: Once) -> Response:
    """From a day on that has begun nowhere yet; what was charged stays as it is. A version of the very same day gives way."""
    async with once.transaction() as connection:
        made = await tariffs.add_version(connection, tariff_id, new.version)
        details = new.model_dump(mode="json", by_alias=True)
        await once.actor.note(connection, "tariff.version", account_id=None, subject=tariff_of(tariff_id), details=details)
        return await once.keep(connection, from_version(made))


@router.get("/defaults", responses=answers.shaped(DefaultsOut))
async def defaults(_: auth.Administrator, shared: Shared) -> Response:
    """What new accounts begin with."""
    found = await sql.row(shared.server.database, "operator_defaults", DefaultsRow)
    assert found is not None
    return answers.json(DefaultsOut(found.currency, found.tariff_id))


@router.put("/defaults", responses=answers.shaped(DefaultsOut))
async def change_defaults(new: Defaults, author: Author, _: auth.Administrator, shared: Shared) -> Response:
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        (before,) = await sql.rows_on(connection, "operator_defaults", DefaultsRow)
        await set_defaults(connection, new.currency, new.tariff_id)
        after = {"currency": new.currency, "tariff_id": new.tariff_id}
        details = changed({"currency": before.currency, "tariff_id": before.tariff_id}, after)
        await author.note(connection, "defaults.changed", account_id=None, details=details)
    return answers.json(DefaultsOut(new.currency, new.tariff_id))


async def _new(book: Book, key: str) -> str:
    """The name of an entry that isn't there yet. Raises Refused."""
    if entry_id := await book.posted(key):
        raise Refused("done_before", f"This request was carried out long ago: entry {entry_id}.", entry_id=entry_id)
    return key


async def _used(connection: Any, tariff_id: int) -> int:
    rows = await (await connection.execute(billing.sql.text("tariff_accounts"), prepare=False)).fetchall()
    return next((int(row[1]) for row in rows if row[0] == tariff_id), 0)


def _words(tariff: Tariff) -> dict[str, Any]:
    return {"name": tariff.name, "description": tariff.description, "offered": tariff.offered}


def entry(entry_id: int) -> str:
    return f"entry {entry_id}"


def tariff_of(tariff_id: int) -> str:
    return f"tariff {tariff_id}"
