"""Money that goes back: the unused balance on request (rule 20), and all of it when a customer withdraws (rule 21).

    request     customer → refund          set aside at once, so that it isn't spent meanwhile
    cancel, reject     refund → customer
    approve     divided among the payments, the newest first: each part goes back by the way it came
    paid        refund → clearing:<way>    part by part, when the provider has said so or an operator has done it
    came back   clearing:<way> → refund    the provider couldn't deliver it after all

A bonus is never given back. What can be: what was paid, less what was given back or is disputed, and no more than is at hand.

A provider is asked outside of any transaction, and what it did is kept in one of its own. In between nothing is lost: it is asked
again under the same key, and does it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import structlog
from psycopg import AsyncConnection

from billing import sql
from billing.book import WAIT_S, open_book
from billing.errors import NotEnoughMoney, Refused
from billing.ledger import Book, Line
from billing.money import digits, shown
from billing.payments import table
from billing.payments.provider import ByHand, Payment, Provider, ProviderFailed, ProviderUnavailable
from billing.payments.providers import BY_HAND, Providers
from billing.payments.receive import recover, settle
from billing.payments.table import known_of
from billing.rules import WITHDRAWAL_DAYS, may_withdraw
from billing.tariffs import all_tariffs, change
from billing.topup import reverse
from billing.trackers import Outcome, pay_blocked
from telematics.store.database import Database

log = structlog.get_logger(__name__)
BY_HAND_REASON = "by hand"  # of a part that its provider gives back in its own office only
SWEPT = 50  # refunds asked after at once


@dataclass(frozen=True, slots=True)
class Refund:
    """A row of `refunds.sql`."""

    id: int
    account_id: int
    account_name: str | None
    kind: str
    amount: int
    currency: str
    state: str
    comment: str
    reason: str | None
    user_id: int | None
    decided_by: int | None
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Part:
    """A row of `refund_parts.sql`."""

    refund_id: int
    payment_id: int
    provider: str
    amount: int
    state: str
    provider_id: str | None
    reason: str | None
    tries: int
    entry_id: int | None

    @property
    def under_way(self) -> bool:
        """The provider may have done it already."""
        return self.state == "waiting" and self.provider not in BY_HAND and self.reason != BY_HAND_REASON


# --- reading


async def refunds(
    connection: AsyncConnection[object],
    *,
    id: int | None = None,
    account_id: int | None = None,
    open: bool = False,
    state: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[Refund]:
    """The newest first. `open`: requested, or being paid."""
    which = {"id": id, "account_id": account_id, "open": open, "state": state}
    return await sql.rows(connection, "refunds", Refund, **which, limit=limit, offset=offset)


async def refund(connection: AsyncConnection[object], refund_id: int, *, account_id: int | None = None) -> Refund:
    """Raises Refused: no_refund."""
    found = await refunds(connection, id=refund_id, account_id=account_id, limit=1)
    if not found:
        raise Refused("no_refund", "There is no such refund.")
    return found[0]


async def parts(connection: AsyncConnection[object], refund_ids: Sequence[int]) -> list[Part]:
    return await sql.rows(connection, "refund_parts", Part, ids=list(refund_ids))


async def returnable(connection: AsyncConnection[object], account_id: int) -> int:
    """What was paid and not given back or asked back, whatever is at hand of it."""
    rows = await table.standing(connection, account_id)
    requested: int = await sql.value(connection, "requested", account_id=account_id)
    return max(0, sum(row.available for row in rows) - requested)


async def refundable(connection: AsyncConnection[object], account_id: int, balance: int) -> int:
    """What may be asked back; `balance` is the money at hand."""
    return min(balance, await returnable(connection, account_id))


# --- what the customer does


async def request(book: Book, amount: int, comment: str = "") -> Refund:
    """Set aside, and to be decided by an operator. Raises Refused: bad_amount, not_refundable; NotEnoughMoney."""
    if amount <= 0:
        raise Refused("bad_amount", "The amount must be above zero.")
    if amount > book.balance:
        raise NotEnoughMoney(amount, book.balance, book.currency)
    most = await refundable(book.connection, book.account_id, book.balance)
    if amount > most:
        raise Refused(
            "not_refundable",
            f"At most {shown(most, book.currency)} can be given back: what was paid and isn't used. A bonus can't.",
            refundable=most,
            currency=book.currency,
            digits=digits(book.currency),
        )
    return await _request(book, "balance", amount, comment)


async def _request(book: Book, kind: str, amount: int, comment: str) -> Refund:
    values = {"kind": kind, "amount": amount, "currency": book.currency, "comment": comment, "user_id": book.user_id}
    refund_id = await sql.value(book.connection, "add_refund", account_id=book.account_id, now=book.now, **values)
    lines = [Line("customer", -amount), Line("refund", amount)]
    await book.post("refund_requested", lines, key=f"refund:{refund_id}:requested", attributes={"refund": refund_id})
    return await refund(book.connection, refund_id)


async def cancel(book: Book, refund_id: int) -> Outcome:
    """The customer has thought better of it. Raises Refused: no_refund, not_open, withdrawal."""
    found = await refund(book.connection, refund_id, account_id=book.account_id)
    if found.kind == "withdrawal":
        raise Refused("withdrawal", "A withdrawal from the contract can't be taken back: its charges were reversed. Ask us.")
    if found.state != "requested":
        raise Refused("not_open", f"The refund is {found.state}: it can't be cancelled any more.")
    await _give_back(book, found, found.amount, "cancelled")
    return await pay_blocked(book)


# --- rule 21


async def first_paid(connection: AsyncConnection[object], account_id: int) -> date | None:
    """The day of the first payment."""
    day: date | None = await sql.value(connection, "first_paid", account_id=account_id)
    return day


async def can_withdraw(connection: AsyncConnection[object], account_id: int, day: date) -> bool:
    first = await first_paid(connection, account_id)
    return first is not None and may_withdraw(first, day) and await returnable(connection, account_id) > 0


async def withdraw(book: Book, comment: str = "") -> tuple[Refund, Outcome]:
    """The account goes to Free, what it was charged since its first payment is taken back, and all that it paid is asked back; an
    operator sends it. A bonus stays.

    Raises Refused: nothing_paid, too_late, sms_under_way.
    """
    first = await first_paid(book.connection, book.account_id)
    if first is None or await returnable(book.connection, book.account_id) == 0:
        raise Refused("nothing_paid", "There is nothing to give back: nothing was paid, or all of it was given back.")
    if not may_withdraw(first, book.day):
        raise Refused(
            "too_late",
            f"One may withdraw within {WITHDRAWAL_DAYS} days of the first payment, which was on {first}. "
            "What is unused can be given back all the same: ask for a refund.",
            first=first,
        )
    if await book.set_aside("sms"):
        raise Refused("sms_under_way", "An SMS is on its way just now: try again in a minute.")
    outcome = Outcome()
    if not book.tariff.free:  # before money comes back: it must not pay for blocked trackers
        free = next(tariff.id for tariff in (await all_tariffs(book.connection)).values() if tariff.free)
        outcome += await change(book, free, counted=False)
    charges = await book.connection.execute(
        sql.text("charges_since"), {"account_id": book.account_id, "day": first}, prepare=False
    )
    for (entry_id,) in await charges.fetchall():
        _, freed = await reverse(book, entry_id, nos=None, memo="withdrawal", key=f"withdrawal:{entry_id}")
        outcome += freed
    amount = min(book.balance, await returnable(book.connection, book.account_id))
    if not amount:  # an operator took a bonus back, which was spent before the first payment
        raise Refused("nothing_paid", "There is nothing to give back: what was paid is used for what a bonus had paid before.")
    return await _request(book, "withdrawal", amount, comment), outcome


# --- what the operator does


async def approve(book: Book, refund_id: int) -> list[Part]:
    """Divide it among the payments; parts that failed may be tried again. `pay` then asks the providers.

    Raises Refused: no_refund, not_open, not_covered.
    """
    found = await refund(book.connection, refund_id, account_id=book.account_id)
    if found.state == "paying":
        for part in await parts(book.connection, [refund_id]):
            if part.state == "failed":
                await _update(book, replace(part, state="waiting", reason=None, tries=part.tries + 1))
        return await parts(book.connection, [refund_id])
    if found.state != "requested":
        raise Refused("not_open", f"The refund is {found.state} already.")
    left = found.amount
    for row in await table.standing(book.connection, book.account_id):
        amount = min(left, row.available)
        if amount:
            values = {"refund_id": refund_id, "payment_id": row.id, "amount": amount}
            await sql.run(book.connection, "add_refund_part", **values)
            left -= amount
    if left:
        raise Refused(
            "not_covered",
            f"Of the payments only {shown(found.amount - left, found.currency)} can still be given back: the rest was given back "
            "or is disputed. Reject it, and give back what is left.",
            covered=found.amount - left,
        )
    await _decide(book, refund_id, "paying")
    return await parts(book.connection, [refund_id])


async def reject(book: Book, refund_id: int, reason: str) -> Outcome:
    """The money is the customer's again, and pays for blocked trackers; of a refund that is being paid what couldn't be.

    Raises Refused: no_refund, not_open, under_way.
    """
    found = await refund(book.connection, refund_id, account_id=book.account_id)
    if found.state not in ("requested", "paying"):
        raise Refused("not_open", f"The refund is {found.state} already.")
    divided = await parts(book.connection, [refund_id])
    if any(part.under_way for part in divided):
        raise Refused("under_way", "The provider is being asked just now, or hasn't answered: wait for its word.")
    unpaid = [part for part in divided if part.state != "paid"]
    amount = sum(part.amount for part in unpaid) if divided else found.amount
    state = "paid" if len(unpaid) < len(divided) else "rejected"
    await _give_back(book, found, amount, state, reason)
    for part in unpaid:  # what was given back at the provider meanwhile, or disputed, isn't ours any more, and pays for nothing
        payment = await recover(book, await table.locked(book, part.payment_id), part.amount)
        await settle(book, payment, known_of(payment), paying=False)
    return await pay_blocked(book)


async def paid_by_hand(book: Book, refund_id: int, payment_id: int | None, reference: str) -> Refund:
    """An operator has sent a part, by bank, over the counter or in the provider's office; None: all that no program sends.

    Raises Refused: no_refund, no_part, not_open, under_way.
    """
    found = await refund(book.connection, refund_id, account_id=book.account_id)
    if found.state != "paying":
        raise Refused("not_open", "Approve it first." if found.state == "requested" else f"The refund is {found.state} already.")
    divided = await parts(book.connection, [refund_id])
    if payment_id is not None:
        divided = [part for part in divided if part.payment_id == payment_id]
        if not divided:
            raise Refused("no_part", "Nothing of this refund goes back by that payment.")
        if divided[0].state == "paid":
            raise Refused("not_open", "That part is paid already.")
    sent = [part for part in divided if part.state != "paid" and not part.under_way]
    if not sent:
        raise Refused("under_way", "The provider is being asked, or hasn't answered: wait for its word.")
    for part in sent:
        await _paid(book, part, reference)
    return await refund(book.connection, refund_id)


async def pay(database: Database, providers: Providers, refund_id: int, *, now: datetime | None = None) -> Refund:
    """Ask the providers for the parts that wait, one by one; what goes wrong is kept with the part."""
    async with database.pool.connection(timeout=WAIT_S) as connection:
        found = await refund(connection, refund_id)
        waiting = [part for part in await parts(connection, [refund_id]) if part.under_way] if found.state == "paying" else []
        payments = {part.payment_id: await table.payment(connection, part.payment_id) for part in waiting}
    for part in waiting:
        told = await _ask(providers.get(part.provider), payments[part.payment_id], part)
        async with open_book(database, found.account_id, now=now) as book:
            again = next(one for one in await parts(book.connection, [refund_id]) if one.payment_id == part.payment_id)
            if again.state != "waiting":
                continue  # somebody else has asked, and was quicker
            if told.state == "paid":
                await _paid(book, again, told.provider_id)
            else:
                await _update(book, replace(again, state=told.state, reason=told.reason))
                log.warning(
                    "a refund isn't paid", refund=refund_id, payment=part.payment_id, state=told.state, reason=told.reason
                )
    async with database.pool.connection(timeout=WAIT_S) as connection:
        return await refund(connection, refund_id)


async def pay_waiting(database: Database, providers: Providers, *, now: datetime | None = None) -> int:
    """Parts whose provider didn't answer, or that a crash left behind; how many refunds were asked after."""
    names = {"providers": list(providers.names), "by_hand": BY_HAND_REASON}
    async with database.pool.connection(timeout=WAIT_S) as connection:
        cursor = await connection.execute(sql.text("refunds_waiting"), {**names, "limit": SWEPT}, prepare=False)
        ids = [row[0] for row in await cursor.fetchall()]
    failed: Exception | None = None
    for refund_id in ids:
        try:
            await pay(database, providers, refund_id, now=now)
        except Exception as error:  # of one refund: the others are asked after all the same
            failed = error
            log.warning("a refund can't be asked after", refund=refund_id, reason=f"{type(error).__name__}: {error}")
    if failed is not None:
        raise failed
    return len(ids)


async def _ask(provider: Provider | None, payment: Payment, part: Part) -> Part:
    """What the provider said, as the part would be then."""
    if provider is None:
        return replace(part, reason=BY_HAND_REASON)
    try:
        given = await provider.refund(payment, part.amount, f"refund:{part.refund_id}:{part.payment_id}", part.tries)
    except ByHand:
        return replace(part, reason=BY_HAND_REASON)
    except ProviderUnavailable as error:
        return replace(part, reason=error.reason)  # it waits, and is asked again
    except ProviderFailed as error:
        return replace(part, state="failed", reason=error.reason)
    return replace(part, state="paid", provider_id=given)


async def _paid(book: Book, part: Part, provider_id: str | None) -> None:
    """A part has gone: the money that was set aside leaves."""
    payment = await table.locked(book, part.payment_id)
    key = await _free(book, f"refund:{part.refund_id}:{part.payment_id}")  # it may have been paid before, and come back
    entry_id = await book.post(
        "refund",
        [Line("refund", -part.amount), Line(f"clearing:{part.provider}", part.amount)],
        key=key,
        memo=provider_id,
        attributes={"refund": part.refund_id, "payment": part.payment_id},
    )
    await _update(book, replace(part, state="paid", provider_id=provider_id, reason=None, entry_id=entry_id))
    (row,) = await table.standing(book.connection, book.account_id, payment.id)
    known = known_of(payment)
    returned = max(known.returned, row.given + int(payment.attributes.get("outside", 0)))
    await settle(book, payment, replace(known, returned=returned))
    if all(one.state == "paid" for one in await parts(book.connection, [part.refund_id])):
        await _decide(book, part.refund_id, "paid")


async def came_back(book: Book, payment: Payment, provider_id: str) -> bool:
    """The provider couldn't deliver a refund of ours: it is set aside again, and waits for an operator. Whether there is such."""
    refund_id = await sql.value(book.connection, "part_of_refund", payment_id=payment.id, provider_id=provider_id)
    if refund_id is None:
        return False
    part = next(one for one in await parts(book.connection, [refund_id]) if one.payment_id == payment.id)
    await book.post(
        "refund_returned",
        [Line("refund", part.amount), Line(f"clearing:{part.provider}", -part.amount)],
        key=f"refund:{refund_id}:{payment.id}:back:{part.entry_id}",
        attributes={"refund": refund_id, "payment": payment.id},
    )
    await _update(book, replace(part, state="failed", reason="it came back from the provider", entry_id=None))
    await _decide(book, refund_id, "paying")
    known = known_of(payment)
    await settle(book, payment, replace(known, returned=max(0, known.returned - part.amount)))
    return True


async def release_uncovered(book: Book) -> None:
    """Requests that nobody has decided on and that the payments no longer cover, because the money was taken from us: it is the
    customer's money at hand again, and whoever takes it takes it from there. The newest go first."""
    rows = await table.standing(book.connection, book.account_id)
    covered = sum(row.available for row in rows)
    requests = await refunds(book.connection, account_id=book.account_id, state="requested", limit=1000)
    asked = sum(one.amount for one in requests)
    for one in requests:
        if asked <= covered:
            break
        asked -= one.amount
        lines = [Line("refund", -one.amount), Line("customer", one.amount)]
        await book.post("refund_returned", lines, key=f"refund:{one.id}:returned", attributes={"refund": one.id})
        await _decide(book, one.id, "rejected", "the payment was taken back")


async def _give_back(book: Book, found: Refund, amount: int, state: str, reason: str | None = None) -> None:
    lines = [Line("refund", -amount), Line("customer", amount)]
    key = await _free(book, f"refund:{found.id}:returned")
    await book.post("refund_returned", lines, key=key, memo=reason, attributes={"refund": found.id})
    await _decide(book, found.id, state, reason)


async def _free(book: Book, key: str) -> str:
    """The key, with a number when it has been used."""
    times, free = 1, key
    while await book.posted(free) is not None:
        times += 1
        free = f"{key}:{times}"
    return free


async def _decide(book: Book, refund_id: int, state: str, reason: str | None = None) -> None:
    await sql.run(book.connection, "decide_refund", id=refund_id, state=state, reason=reason, user_id=book.user_id, now=book.now)


async def _update(book: Book, part: Part) -> None:
    names = ("refund_id", "payment_id", "state", "provider_id", "reason", "entry_id", "tries")
    await sql.run(book.connection, "update_refund_part", **{name: getattr(part, name) for name in names})
