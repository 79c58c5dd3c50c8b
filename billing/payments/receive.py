"""What a provider says is kept, and turned into money: the one place where that is done.

The word is kept in the transaction that does what follows from it, under the account's lock, by the provider's own number of it.
So a word that comes twice, even twice at once, counts once; and after a crash it has counted or the provider says it again.

What follows is always worked out from all that is known (`states.Known`): what should be in the ledger, less what is there.
Each posting has a key of its own, so that it can't be there twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from billing import sql
from billing.book import WAIT_S, book_on
from billing.errors import Refused
from billing.ledger import Book, Line
from billing.payments import table
from billing.payments.provider import Notice, Payment, heard_before
from billing.payments.states import Known, hear
from billing.payments.table import known_of
from billing.topup import top_up
from billing.trackers import Outcome, pay_blocked
from telematics.store.database import Database
from telematics.store.repair import clean_json

log = structlog.get_logger(__name__)
LARGEST_BODY = 32_768  # of a word, as it is kept for people; a longer one is left out, what it says is kept all the same
AGAIN = 100  # words that wait for their payment, heard at once


async def receive(database: Database, provider: str, notice: Notice, *, now: datetime | None = None) -> str:
    """Hear a word whose signature was good; what became of it, in English, for people. Raises psycopg's errors: nothing was done,
    and the provider will say it again."""
    now = now or datetime.now(UTC)
    try:
        return await _receive(database, provider, notice, now)
    except UniqueViolation:  # its transaction id was given to another payment just now: look again
        return await _receive(database, provider, notice, now)


async def _receive(database: Database, provider: str, notice: Notice, now: datetime) -> str:
    async with database.pool.connection(timeout=WAIT_S) as connection:
        meant, foreign = await _meant(connection, provider, notice)
        if meant is None:
            return await _keep(connection, provider, notice, "unknown", None, now) or "heard before"
        try:
            book = await book_on(connection, meant.account_id, now=now)
        except Refused:  # the account is gone, its payments stay
            return await _without_account(connection, provider, notice, meant, now)
        event_id, outcome = await _hear(book, provider, notice, meant.id, foreign)
        if event_id is not None and meant.provider_id is None and notice.provider_id is not None:
            await _hear_waiting(book, provider, notice, meant.id)
        return outcome


async def _hear(book: Book, provider: str, notice: Notice, payment_id: int, foreign: bool) -> tuple[int | None, str]:
    event_id = await _added(book.connection, provider, notice, payment_id, book.now)
    if event_id is None:
        return None, "heard before"
    payment = await table.locked(book, payment_id)
    outcome = await apply(book, payment, notice, foreign=foreign)
    await sql.run(book.connection, "event_done", id=event_id, outcome=outcome, payment_id=payment_id)
    log.info("a provider's word", provider=provider, payment=payment_id, kind=notice.kind, outcome=outcome)
    return event_id, outcome


async def apply(book: Book, payment: Payment, notice: Notice, *, foreign: bool = False) -> str:
    """A word about a payment that is locked, and the money that follows; what became of it."""
    from billing.refunds import came_back  # refunds are paid through payments

    before = known_of(payment)
    if foreign:
        await table.save(
            book, payment, replace(before, flags=before.flags | {"foreign_id"}), entry_id=payment.entry_id, attributes={}
        )
        return "refused: its transaction id belongs to another payment"
    if payment.currency != book.currency:  # the account has changed its currency since
        flagged = replace(before, flags=before.flags | {"other_currency"})
        await table.save(book, payment, flagged, entry_id=payment.entry_id, attributes={})
        return "refused: the account's currency is another one now"
    heard = hear(before, notice)
    if notice.kind == "refund_failed":
        if notice.refund_id is None or not await came_back(book, payment, notice.refund_id):
            await table.save(book, payment, heard.known, entry_id=payment.entry_id, attributes={})  # an operator sees to it
            return "not a refund of ours"
        payment = await table.payment(book.connection, payment.id)
        heard = hear(known_of(payment), notice)
    await settle(book, payment, heard.known)
    return heard.outcome


async def settle(book: Book, payment: Payment, known: Known, *, paying: bool = True) -> Outcome:
    """Save what is known, and post what follows from it and isn't in the ledger yet. `paying`: what comes back by it pays for
    blocked trackers at once."""
    from billing.refunds import release_uncovered  # as above

    kept, entry_id, outcome = payment.attributes, payment.entry_id, Outcome()
    rows = await table.standing(book.connection, book.account_id, payment.id)
    ours = rows[0].ours if rows else 0
    taken_back = bool(rows) and rows[0].reversed  # by an operator: there is nothing left to take
    outside, disputes = int(kept.get("outside", 0)), dict(kept.get("taken", {}))
    due = 0 if taken_back else known.outside(ours) - outside
    opened = [] if taken_back else [name for name, one in known.disputes.items() if one.state != "won" and name not in disputes]
    won = [name for name, one in known.disputes.items() if one.state == "won" and disputes.get(name, {}).get("back") is False]
    takes = known.credit > 0 and (due > 0 or bool(opened))
    if known.credit and entry_id is None:
        key, way = f"payment:{payment.id}", payment.provider
        attributes = {"payment": payment.id}
        if takes:  # trackers aren't paid from money that is gone already
            lines = [Line("customer", known.credit), Line(f"clearing:{way}", -known.credit)]
            entry_id = await book.post("topup", lines, key=key, attributes=attributes)
        else:
            entry_id, outcome = await top_up(book, known.credit, way=way, key=key, attributes=attributes)
    if due > 0 and known.credit:
        outside += due
        known = replace(known, flags=known.flags | {"refunded_outside"})
    attributes = {"outside": outside} if outside else {}
    await table.save(book, payment, known, entry_id=entry_id, attributes=attributes)
    if not (takes or won):
        return outcome
    await release_uncovered(book)
    if takes and due > 0:
        _, loss = await _take(book, payment, due, "refund", f"payment:{payment.id}:returned:{outside}")
        known = _lost(known, loss)
    for name in opened if takes else []:
        amount = known.part(known.disputes[name])
        own, loss = await _take(book, payment, amount, "dispute", f"payment:{payment.id}:dispute:{_short(name)}")
        disputes[name] = {"own": own, "loss": loss, "back": False}
        known = _lost(known, loss)
    for name in won:
        own, loss = disputes[name]["own"], disputes[name]["loss"]
        lines = [Line("customer", own), Line("loss", loss), Line(f"clearing:{payment.provider}", -own - loss)]
        key = f"payment:{payment.id}:dispute:{_short(name)}:won"
        await book.post("dispute_won", [line for line in lines if line.amount], key=key, attributes={"payment": payment.id})
        disputes[name] = {**disputes[name], "back": True}
    await table.save(
        book, payment, known, entry_id=entry_id, attributes={**attributes, "taken": disputes} if disputes else attributes
    )
    return outcome + await pay_blocked(book) if paying else outcome


async def recover(book: Book, payment: Payment, most: int) -> Payment:
    """What disputes took from us, and the customer hadn't at hand then, is taken from what has come back to him: `most`."""
    taken = dict(payment.attributes.get("taken", {}))
    for name, one in taken.items():
        amount = 0 if one["back"] else min(one["loss"], most, book.balance)
        if amount:
            own = one["own"] + amount
            key = f"payment:{payment.id}:dispute:{_short(name)}:{own}"
            lines = [Line("customer", -amount), Line("loss", amount)]
            await book.post("dispute", lines, key=key, attributes={"payment": payment.id})
            taken[name] = {**one, "own": own, "loss": one["loss"] - amount}
            most -= amount
    await table.save(book, payment, known_of(payment), entry_id=payment.entry_id, attributes={"taken": taken} if taken else {})
    return await table.payment(book.connection, payment.id)


async def _take(book: Book, payment: Payment, amount: int, kind: str, key: str) -> tuple[int, int]:
    """The customer's money as far as it goes; the rest is the provider's loss. How much of each."""
    own = min(amount, book.balance)
    lines = [Line("customer", -own), Line("loss", own - amount), Line(f"clearing:{payment.provider}", amount)]
    await book.post(kind, [line for line in lines if line.amount], key=key, attributes={"payment": payment.id})
    return own, amount - own


def _lost(known: Known, loss: int) -> Known:
    return replace(known, flags=known.flags | {"loss"}) if loss else known


def _short(name: str) -> str:
    """A provider's id as part of a key, which is bounded."""
    return name if len(name) <= 64 else hashlib.sha256(name.encode()).hexdigest()


async def hear_unknown(database: Database, *, now: datetime | None = None) -> int:
    """Words that came before their payment was known and at the very moment when it became so; how many found theirs."""
    now, found = now or datetime.now(UTC), 0
    async with database.pool.connection(timeout=WAIT_S) as connection:
        events = await table.unknown_events(connection, limit=AGAIN)
    for event in reversed(events):
        notice = heard_before(event.event_id, event.body.get("notice", {}))
        async with database.pool.connection(timeout=WAIT_S) as connection:
            meant, _ = await _meant(connection, event.provider, notice)
            if meant is not None and meant.account_name is not None:
                book = await book_on(connection, meant.account_id, now=now)
                found += await _hear_waiting(book, event.provider, notice, meant.id)
    return found


async def _hear_waiting(book: Book, provider: str, notice: Notice, payment_id: int) -> int:
    """What was said of this transaction when nobody knew yet whose it is."""
    waiting = await table.unknown_events(
        book.connection, provider=provider, provider_id=notice.provider_id, reference=notice.reference, limit=AGAIN
    )
    for event in reversed(waiting):
        payment = await table.locked(book, payment_id)
        outcome = await apply(book, payment, heard_before(event.event_id, event.body["notice"]))
        await sql.run(book.connection, "event_done", id=event.id, outcome=outcome, payment_id=payment_id)
    return len(waiting)


async def _meant(connection: AsyncConnection[Any], provider: str, notice: Notice) -> tuple[Payment | None, bool]:
    """Which payment; and whether the transaction id in it belongs to another one."""
    by_reference = by_id = None
    if (reference := table.reference_of(notice.reference)) is not None:
        by_reference = next(iter(await table.payments(connection, reference=reference, provider=provider, limit=1)), None)
    if notice.provider_id is not None:
        found = await table.payments(connection, provider=provider, provider_id=notice.provider_id, limit=1)
        by_id = next(iter(found), None)
    if by_reference is None:
        return by_id, False
    return by_reference, by_id is not None and by_id.id != by_reference.id


async def _added(
    connection: AsyncConnection[Any], provider: str, notice: Notice, payment_id: int | None, now: datetime, outcome: str = "…"
) -> int | None:
    """The number of the word as it is kept; None where it was kept before. The same id with other content is another word."""
    values = {
        "provider": provider,
        "payment_id": payment_id,
        "kind": notice.kind,
        "body": Jsonb(_kept(notice)),
        "outcome": outcome,
        "now": now,
    }
    event_id: int | None = await sql.value(connection, "add_event", event_id=notice.event_id, **values)
    if event_id is not None:
        return event_id
    said = notice.said()
    if await sql.value(connection, "event_said", provider=provider, event_id=notice.event_id) == said:
        return None
    other = f"{notice.event_id}#{hashlib.sha256(msgspec.json.encode(said, order='sorted')).hexdigest()[:16]}"
    other_id: int | None = await sql.value(connection, "add_event", event_id=other, **values)
    return other_id


async def _keep(
    connection: AsyncConnection[Any], provider: str, notice: Notice, outcome: str, payment_id: int | None, now: datetime
) -> str | None:
    added = await _added(connection, provider, notice, payment_id, now, outcome)
    if added is None:
        return None
    log.warning("a provider's word can't be used", provider=provider, kind=notice.kind, outcome=outcome)
    return outcome


async def _without_account(
    connection: AsyncConnection[Any], provider: str, notice: Notice, payment: Payment, now: datetime
) -> str:
    flags = {*(payment.flagged or "").split(), "no_account"}
    await connection.execute(sql.text("flag_payment"), {"id": payment.id, "flagged": " ".join(sorted(flags)), "now": now})
    return await _keep(connection, provider, notice, "refused: the account is gone", payment.id, now) or "heard before"


def _kept(notice: Notice) -> Mapping[str, Any]:
    try:
        body = clean_json(dict(notice.body))
        small = len(msgspec.json.encode(body)) <= LARGEST_BODY
    except (ValueError, TypeError):
        body, small = None, False
    return {"notice": notice.said(), "said": body if small else None}
