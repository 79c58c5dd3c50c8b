"""The rules of billing, told once more and as simply as can be: one account, one list of movements, days walked one by one.

Nothing here is taken from billing/. It is slow and it knows no database, so that whoever reads it can hold it against the rules.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo

What = Literal["connection", "daily"]


class Refusal(Exception):
    """What may not be done; nothing has changed. The code says why."""


def share(price: int, day: date) -> int:
    """Of a month's price, this day's part: what all days up to it cost, rounded, less those up to the day before."""
    days = monthrange(day.year, day.month)[1]
    return round(Fraction(price * day.day, days)) - round(Fraction(price * (day.day - 1), days))  # of Fractions: half to even


def local_day(now: datetime, time_zone: str) -> date:
    return now.astimezone(ZoneInfo(time_zone)).date()


@dataclass
class Tariff:
    prices: dict[date, tuple[int, int]]  # since a day: of a tracker a month, of an SMS
    free: bool = False

    def on(self, day: date) -> tuple[int, int]:
        return self.prices[max((since for since in self.prices if since <= day), default=min(self.prices))]


@dataclass
class Tracker:
    name: str
    due: bool = True  # its connection is still to be paid, on a paid tariff
    covered_until: date | None = None
    test: bool = False
    blocks: set[str] = field(default_factory=set)  # administrator, owner, unpaid
    paid: set[date] = field(default_factory=set)  # days that were charged

    @property
    def state(self) -> str:
        for block in ("administrator", "owner", "unpaid"):
            if block in self.blocks:
                return block
        return "test" if self.test else "working"


@dataclass(frozen=True)
class Movement:
    day: date
    kind: str
    tracker: str | None
    amount: int  # by which the balance changes


@dataclass
class Account:
    tariffs: dict[str, Tariff]
    tariff: str
    time_zone: str
    day: date
    trackers: list[Tracker] = field(default_factory=list)  # in the order in which they are paid for
    movements: list[Movement] = field(default_factory=list)
    reversed: set[int] = field(default_factory=set)  # movements, by place
    changes: list[date] = field(default_factory=list)
    sms: dict[int, int] = field(default_factory=dict)  # on their way, and what is set aside for them
    refunds: dict[int, int] = field(default_factory=dict)  # asked back and undecided

    @property
    def balance(self) -> int:
        return sum(movement.amount for movement in self.movements)

    @property
    def free(self) -> bool:
        return self.tariffs[self.tariff].free

    def states(self) -> dict[str, str]:
        return {tracker.name: tracker.state for tracker in self.trackers}

    def tracker(self, name: str) -> Tracker:
        return next(tracker for tracker in self.trackers if tracker.name == name)

    # --- time ---

    def wake(self, now: datetime) -> None:
        """Whatever is done, the days up to its own come first. A day that has begun stays begun, wherever the account moves."""
        today = local_day(now, self.time_zone)
        while self.day < today:
            self.next_day()
        self.pay_due()

    def next_day(self) -> None:
        self.day += timedelta(days=1)
        for tracker in self.trackers:
            if not tracker.blocks and not tracker.due:
                self._pay(tracker)

    # --- trackers ---

    def connect(self, name: str) -> None:
        self.trackers.append(Tracker(name))
        self.pay_due()

    def remove(self, name: str) -> None:
        self.trackers.remove(self.tracker(name))

    def block(self, name: str, by: str) -> None:
        tracker = self.tracker(name)
        if by in tracker.blocks:
            raise Refusal("already_blocked")
        tracker.blocks.add(by)

    def unblock(self, name: str) -> None:
        """By the owner: today's charge and it works, or nothing changes."""
        tracker = self.tracker(name)
        if not tracker.blocks:
            raise Refusal("not_blocked")
        if "administrator" in tracker.blocks:
            raise Refusal("blocked_by_administrator")
        if self._owed(tracker)[1] > self.balance:
            raise Refusal("not_enough_money")
        tracker.blocks.clear()
        self._pay(tracker)

    def unblock_by_administrator(self, name: str) -> None:
        tracker = self.tracker(name)
        if "administrator" not in tracker.blocks:
            raise Refusal("not_blocked")
        tracker.blocks.remove("administrator")
        if "owner" not in tracker.blocks:
            self._pay(tracker)

    def set_test(self, name: str, test: bool) -> None:
        tracker = self.tracker(name)
        if tracker.test == test:
            return
        if test and any(other.test for other in self.trackers):
            raise Refusal("test_taken")
        tracker.test, tracker.due, tracker.covered_until = test, not test, None
        tracker.blocks.discard("unpaid")
        if not test:  # as if it were connected now
            self.trackers.remove(tracker)
            self.trackers.append(tracker)
        self.pay_due()

    # --- tariffs ---

    def change(self, tariff: str) -> None:
        if tariff == self.tariff:
            raise Refusal("same_tariff")
        if sum((change.year, change.month) == (self.day.year, self.day.month) for change in self.changes) >= 2:
            raise Refusal("too_many_changes")
        was_free, self.tariff = self.free, tariff
        self.changes.append(self.day)
        if self.free:
            for tracker in self.trackers:
                tracker.blocks.discard("unpaid")
        if was_free or self.free:
            for tracker in self.trackers:
                tracker.due, tracker.covered_until = not tracker.test, None
            self.pay_due()

    # --- money ---

    def top_up(self, amount: int, kind: str = "topup") -> None:
        self._move(kind, amount)
        self._pay_unpaid()

    def reverse(self, place: int) -> None:
        movement = self.movements[place]
        if place in self.reversed:
            raise Refusal("already_reversed")
        if movement.amount > self.balance:
            raise Refusal("not_enough_money")
        self.reversed.add(place)
        self._move("reversal", -movement.amount, movement.tracker)
        if movement.amount < 0:
            self._pay_unpaid()

    def send_sms(self, number: int) -> bool:
        """Whether it may go; otherwise a mail does."""
        _, cost = self.tariffs[self.tariff].on(self.day)
        if cost > self.balance:
            return False
        self.sms[number] = cost
        if cost:
            self._move("sms", -cost)
        return True

    def sms_sent(self, number: int) -> None:
        del self.sms[number]

    def sms_failed(self, number: int) -> None:
        cost = self.sms.pop(number)
        if cost:
            self._move("sms_returned", cost)
            self._pay_unpaid()

    def ask_back(self, number: int, amount: int) -> None:
        if amount > self.balance:
            raise Refusal("not_enough_money")
        self._move("refund_requested", -amount)
        self.refunds[number] = amount

    def refund_refused(self, number: int) -> None:
        self._move("refund_returned", self.refunds.pop(number))
        self._pay_unpaid()

    def refund_paid(self, number: int) -> None:
        del self.refunds[number]

    # --- paying ---

    def _owed(self, tracker: Tracker) -> tuple[What, int]:
        """What a tracker that is to work today must still pay."""
        price, _ = self.tariffs[self.tariff].on(self.day)
        if self.free or tracker.test:
            return "daily", 0
        if tracker.due:
            return "connection", price
        covered = tracker.covered_until is not None and self.day <= tracker.covered_until
        return "daily", 0 if covered or self.day in tracker.paid else share(price, self.day)

    def _pay(self, tracker: Tracker) -> None:
        """It works from now on if the money is there, or else is blocked."""
        what, amount = self._owed(tracker)
        if amount > self.balance:
            tracker.blocks.add("unpaid")
            return
        tracker.blocks.discard("unpaid")
        if amount:
            self._move(what, -amount, tracker.name)
        if what == "connection":
            tracker.due, tracker.covered_until = False, self.day + timedelta(days=30)
        elif amount:
            tracker.paid.add(self.day)

    def pay_due(self) -> None:
        """Connections, of whatever works and has not paid its own."""
        if not self.free:
            for tracker in self.trackers:
                if tracker.due and not tracker.blocks and not tracker.test:
                    self._pay(tracker)

    def _pay_unpaid(self) -> None:
        """Money came in: whoever is blocked for nothing but money, in order, as far as it goes."""
        for tracker in self.trackers:
            if tracker.blocks == {"unpaid"}:
                self._pay(tracker)

    def _move(self, kind: str, amount: int, tracker: str | None = None) -> None:
        self.movements.append(Movement(self.day, kind, tracker, amount))
        assert self.balance >= 0
