"""Who pays for an SMS: the meter that alerts ask (telematics/alerts/meter.py), on the account's ledger.

    reserve     customer → sms       `sms:<delivery>:<try>`            the tariff's price, whatever the parts
    settle      sms → revenue        `sms:<delivery>:<try>:settled`    it went out
    give back   sms → customer       `sms:<delivery>:<try>:returned`   it didn't

Each is done in the account's book, so that of two alerts for the last coins one goes by e-mail, and once however often it is
told: `sms_charges` says what became of a delivery's money. A delivery is tried several times under one reservation; a try is
counted anew only after the money went back. Where an SMS costs nothing there is nothing in the ledger.

When the database is away, `reserve` raises what its driver raises: the sender then tries the delivery again, and in the end sends
an e-mail. A reservation of which nobody told the end (the process died, the database was away just then) is ended by `tidy`, as
the delivery's state says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog

from billing import sql
from billing.book import WAIT_S, open_book
from billing.errors import Refused
from billing.ledger import Line
from billing.trackers import pay_blocked
from telematics.store.database import Database
from telematics.store.errors import StoreBusy

log = structlog.get_logger(__name__)

# Why an SMS isn't sent. The pages translate them: templates/parts/alert_words.html
NOT_IN_TARIFF = "the tariff has no SMS"
NO_MONEY = "the money doesn't suffice"
NO_ACCOUNT = "the account is gone"
REASONS = (NOT_IN_TARIFF, NO_MONEY, NO_ACCOUNT)

LEFT_ALONE = timedelta(minutes=5)  # a test message takes its time-out at most, half a minute; a sender tells at once
TIDIED_AT_ONCE = 1_000
RESERVE_S = (
    8.0  # below what the sender's lease has to spare (SPARE_S there): a message that waits longer could be sent by another
)


@dataclass(frozen=True, slots=True)
class Charge:
    """A row of `sms_charge.sql`."""

    delivery_id: int
    account_id: int
    amount: int
    state: Literal["reserved", "settled", "returned"]
    tries: int

    @property
    def key(self) -> str:
        return _key(self.delivery_id, self.tries)


@dataclass(frozen=True, slots=True)
class OfTracker:
    """A row of `sms_line.sql`."""

    tracker_id: int | None
    version_id: int | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A row of `open_sms.sql`."""

    delivery_id: int
    state: str
    parts: int


class SmsMeter:
    """Of every account of the database."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._clock = clock

    async def reserve(self, account_id: int, delivery_id: int, parts: int) -> str | None:
        """None: go ahead; otherwise one of REASONS. Raises StoreBusy, or the driver's errors, when it can't be known now."""
        try:
            async with asyncio.timeout(RESERVE_S):
                return await self._reserve(account_id, delivery_id, parts)
        except TimeoutError:
            raise StoreBusy("somebody else has been busy with the account's money for too long") from None
        except Refused as refusal:
            if refusal.code != "no_account":
                raise
            return NO_ACCOUNT

    async def _reserve(self, account_id: int, delivery_id: int, parts: int) -> str | None:
        async with open_book(self._database, account_id, now=self._clock()) as book:
            known = await sql.row(book.connection, "sms_charge", Charge, delivery_id=delivery_id)
            if known is not None and known.state != "returned":
                return None
            price = book.version.sms_price
            if not book.version.sms:
                return NOT_IN_TARIFF
            if book.balance < price:
                return NO_MONEY
            tries = await sql.value(
                book.connection, "reserve_sms", delivery_id=delivery_id, account_id=account_id, amount=price, now=book.now
            )
            if price:
                tracker_id = await sql.value(book.connection, "sms_tracker", delivery_id=delivery_id)
                lines = [Line("customer", -price, tracker_id, book.version.id), Line("sms", price)]
                attributes = {"delivery": delivery_id, "parts": parts}
                await book.post("sms", lines, key=_key(delivery_id, tries), attributes=attributes)
            return None

    async def settle(self, delivery_id: int, parts: int) -> None:
        await self._end(delivery_id, "settled", parts)

    async def give_back(self, delivery_id: int) -> None:
        await self._end(delivery_id, "returned", None)

    async def tidy(self) -> int:
        """End reservations whose deliveries have ended, as far as nobody did; how many."""
        before = self._clock() - LEFT_ALONE
        async with self._database.pool.connection(timeout=WAIT_S) as connection:
            found = await sql.rows(connection, "open_sms", Ended, before=before, limit=TIDIED_AT_ONCE)
        for one in found:
            log.info("an SMS's money is sorted out", delivery_id=one.delivery_id, delivery=one.state)
            try:
                await (self.settle(one.delivery_id, one.parts) if one.state == "sent" else self.give_back(one.delivery_id))
            except Refused as refusal:  # the account is gone; others' money is sorted out all the same
                log.error("an SMS's money can't be sorted out", delivery_id=one.delivery_id, reason=str(refusal))
        return len(found)

    async def _end(self, delivery_id: int, state: Literal["settled", "returned"], parts: int | None) -> None:
        now = self._clock()
        ending = {"delivery_id": delivery_id, "state": state, "parts": parts, "now": now}
        async with self._database.pool.connection(timeout=WAIT_S) as connection:
            seen = await sql.row(connection, "sms_charge", Charge, delivery_id=delivery_id)
            if seen is None or seen.state != "reserved":
                return
            if seen.amount == 0:
                await sql.run(connection, "end_sms", **ending)
                return
        async with open_book(self._database, seen.account_id, now=now) as book:
            charge = await sql.row(book.connection, "sms_charge", Charge, delivery_id=delivery_id)
            if charge is None or not await sql.run(book.connection, "end_sms", **ending):
                return  # somebody else was faster
            if state == "settled":
                lines = [Line("sms", -charge.amount), Line("revenue", charge.amount)]
                await book.post("sms_settled", lines, key=f"{charge.key}:settled", attributes={"parts": parts})
                return
            of = await sql.row(book.connection, "sms_line", OfTracker, key=charge.key) or OfTracker(None, None)
            lines = [Line("sms", -charge.amount), Line("customer", charge.amount, of.tracker_id, of.version_id)]
            await book.post("sms_returned", lines, key=f"{charge.key}:returned")
            await pay_blocked(book)  # some may have been blocked for want of it


def _key(delivery_id: int, tries: int) -> str:
    return f"sms:{delivery_id}:{tries}"
