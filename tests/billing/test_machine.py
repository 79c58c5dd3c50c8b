"""Whatever happens to an account, in any order, on any day, in any time zone: what the database holds is what the model says.

One database for all examples, emptied in between, so that a failure shrinks soon. TELEMATICS_MACHINE=large tries for minutes.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing import forecast, statement, tariffs, trackers
from billing.check import problems
from billing.errors import Refused
from billing.ledger import Line
from billing.meter import SmsMeter
from billing.tariffs import NewVersion
from billing.trackers import rehearsed
from telematics.config import Settings
from telematics.store.database import Database, open_database
from tests.billing import model
from tests.billing.model import Account, Movement, Refusal, Tariff, Tracker
from tests.billing.world import World, one
from tests.conftest import new_database

LARGE = os.environ.get("TELEMATICS_MACHINE") == "large"
PROFILE = settings(
    max_examples=3_000 if LARGE else 50,
    stateful_step_count=60 if LARGE else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)

ZONES = (
    "UTC", "Asia/Almaty", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", # half an hour of DST
    "Pacific/Apia", "Pacific/Pago_Pago", # neighbours, a day apart
    "Pacific/Kiritimati", "Etc/GMT+12", # the earliest and the latest day there is
)  # fmt: skip
STARTS = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        "2026-01-10 15:30",
        "2026-02-27 23:59",
        "2026-03-28 22:30",
        "2026-10-24 21:30",
        "2027-12-31 09:00",
        "2028-02-28 12:00",
    )
)
EPOCH = date(2020, 1, 1)
KEEP = ("tariffs", "tariff_versions", "billing_defaults")

amounts = st.one_of(
    st.integers(1, 50), st.sampled_from([500, 967, 968, 1072, 1500, 3_000, 30_000, 100_000]), st.integers(1, 200_000)
)
prices = st.one_of(st.sampled_from([30_000, 1, 15, 31, 100, 29_999]), st.integers(1, 100_000))
Value = TypeVar("Value")


class Bench:
    """The database that all examples share, and the loop that its pool lives in."""

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop) -> None:
        self.database, self.loop = database, loop

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return self.loop.run_until_complete(work)

    async def empty(self) -> None:
        """Past the triggers that keep it: this is between two examples."""
        async with self.database.pool.connection() as connection:
            await connection.execute("SET LOCAL session_replication_role = replica")
            for table in (
                "ledger_lines", "ledger_entries", "ledger_accounts", "blocks", "billed_trackers", "devices", "sms_charges",
                "refunds", "billing_accounts", "tariff_periods", "accounts",
            ):  # fmt: skip
                await connection.execute(f"DELETE FROM {table}".encode())
            await connection.execute(
                "DELETE FROM tariff_versions USING tariffs t WHERE t.id = tariff_id AND t.currency IS NOT NULL"
            )
            await connection.execute("DELETE FROM tariffs WHERE currency IS NOT NULL")


class BillingMachine(RuleBasedStateMachine):
    bench: Bench
    world: World
    account: Account

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.ids: dict[str, int] = {}

    @initialize(
        start=st.sampled_from(STARTS), zone=st.sampled_from(ZONES), price=prices, other=prices, sms=st.sampled_from([0, 7, 1500]),
        money=amounts, paid=st.booleans(), fleet=st.integers(0, 4), days=st.sampled_from([0, 31, 45]),
    )  # fmt: skip
    def begin(
        self, start: datetime, zone: str, price: int, other: int, sms: int, money: int, paid: bool, fleet: int, days: int
    ) -> None:
        """On Free or a paid tariff, with some trackers, in their month or past it."""
        self.bench.run(self.bench.empty())
        self.world = self.bench.run(
            World.begin(self.bench.database, start.isoformat(), time_zone=zone, price=price, money=money, paid=paid)
        )
        other_id = self.bench.run(self.world.another(other, sms_price=sms))
        self.ids = {"Free": self.world.free_id, "Paid": self.world.tariff_id, "Other": other_id}
        self.account = Account(
            tariffs={
                "Free": Tariff({EPOCH: (0, 0)}, free=True),
                "Paid": Tariff({EPOCH: (price, 1500)}),
                "Other": Tariff({EPOCH: (other, sms)}),
            },
            tariff="Paid" if paid else "Free",
            time_zone=zone,
            day=model.local_day(start, zone),
        )
        self.account.top_up(money)
        if fleet:
            self.top_up(fleet * (price + 2 * model.share(price, self.account.day)), "bonus")
            self.connect_some(fleet)
            self.world.later(days=days)

    def both(self, real: Callable[[], Coroutine[Any, Any, object]], simple: Callable[[], object], *, tick: bool = True) -> bool:
        """The same on both sides, a second later; the same refusals. Whether it was done."""
        if tick:
            self.world.later(seconds=1)
        wanted: str | None = None
        refused: str | None = None
        before = deepcopy(self.account)
        try:
            self.account.wake(self.world.now)
            simple()
        except Refusal as refusal:
            wanted, self.account = str(refusal), before  # a refusal takes all of it back, also the days
        try:
            self.bench.run(real())
        except Refused as refusal:
            refused = refusal.code
        assert refused == wanted

    # --- time ---

    @rule(hours=st.one_of(st.integers(0, 30), st.integers(1, 60).map(lambda days: 24 * days), st.integers(0, 900)))
    def time_passes(self, hours: int) -> None:
        self.world.later(hours=hours)

    @rule()
    def run(self) -> None:
        self.both(self.world.run, lambda: None)

    @rule()
    def run_twice_at_once(self) -> None:
        async def twice() -> None:
            await asyncio.gather(self.world.run(chunk=1), self.world.run())

        self.both(twice, lambda: None)

    @rule(after=st.integers(0, 3), cancelled=st.booleans(), pause_ms=st.integers(0, 30))
    def run_that_is_broken_off(self, after: int, cancelled: bool, pause_ms: int) -> None:
        async def broken() -> None:
            passed = 0

            def progress(done: int, total: int) -> None:
                nonlocal passed
                passed += 1
                if passed > after and not cancelled:
                    raise InterruptedError

            task = asyncio.ensure_future(self.world.run(chunk=1, progress=progress))
            if cancelled:
                await asyncio.sleep(pause_ms / 1000)
                task.cancel()
            with suppress(InterruptedError, asyncio.CancelledError):
                await task
            await self.world.run()

        self.both(broken, lambda: None)

    @rule(zone=st.sampled_from(ZONES))
    def move(self, zone: str) -> None:
        self.bench.run(self.world.move(zone))
        self.account.time_zone = zone

    # --- trackers ---

    @rule(count=st.integers(1, 4))
    def connect(self, count: int) -> None:
        self.connect_some(count)

    def connect_some(self, count: int) -> None:
        """At once, and paid for in order."""
        added = [f"T{self.number + n}" for n in range(1, count + 1)]
        self.number += count

        def simple() -> None:
            for name in added:
                self.account.trackers.append(Tracker(name))
            self.account.pay_due()

        self.both(lambda: self.world.connect(*added), simple)

    def some(self, data: st.DataObject) -> str:
        """A tracker that is there, if there is any."""
        there = [tracker.name for tracker in self.account.trackers]
        return data.draw(st.sampled_from(there)) if there else ""

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if name := self.some(data):
            self.both(lambda: self.world.remove(name), lambda: self.account.remove(name))

    @rule(data=st.data(), administrator=st.booleans())
    def block(self, data: st.DataObject, administrator: bool) -> None:
        if name := self.some(data):
            by = "administrator" if administrator else "owner"
            self.both(lambda: self.world.block(name, administrator=administrator), lambda: self.account.block(name, by))

    @rule(data=st.data())
    def unblock(self, data: st.DataObject) -> None:
        if name := self.some(data):
            self.both(lambda: self.world.unblock(name), lambda: self.account.unblock(name))

    @rule(data=st.data())
    def unblock_by_administrator(self, data: st.DataObject) -> None:
        if name := self.some(data):
            self.both(lambda: self.world.unblock_by_administrator(name), lambda: self.account.unblock_by_administrator(name))

    @rule(data=st.data(), test=st.booleans())
    def set_test(self, data: st.DataObject, test: bool) -> None:
        if name := self.some(data):
            self.both(lambda: self.world.set_test(name, test), lambda: self.account.set_test(name, test))

    # --- tariffs ---

    @rule(to=st.sampled_from(["Free", "Paid", "Other"]))
    def change(self, to: str) -> None:
        self.both(lambda: self.world.change(self.ids[to]), lambda: self.account.change(to))

    @rule(to=st.sampled_from(["Free", "Paid", "Other"]))
    def preview_changes_nothing(self, to: str) -> None:
        async def previewed() -> None:
            async with self.world.book() as book, rehearsed(book):
                with suppress(Refused):
                    await tariffs.change(book, self.ids[to])

        self.both(previewed, lambda: None)

    @rule(of=st.sampled_from(["Paid", "Other"]), days=st.integers(2, 40), price=prices, sms=st.sampled_from([0, 7, 1500]))
    def new_version(self, of: str, days: int, price: int, sms: int) -> None:
        since = (self.world.now + timedelta(hours=14)).date() + timedelta(days=days)

        async def added() -> None:
            async with self.world.database.pool.connection() as connection:
                await tariffs.add_version(connection, self.ids[of], NewVersion(since, price, sms), now=self.world.now)

        self.bench.run(added())
        self.account.tariffs[of].prices[since] = (price, sms)

    # --- money ---

    @rule(amount=amounts, kind=st.sampled_from(["topup", "bonus"]))
    def top_up(self, amount: int, kind: str) -> None:
        self.both(lambda: self.world.top_up(amount, kind=kind), lambda: self.account.top_up(amount, kind))

    @rule(short=st.integers(-2, 2), trackers_paid=st.integers(0, 3))
    def top_up_to_a_hair(self, short: int, trackers_paid: int) -> None:
        """To just about what some trackers cost today."""
        now = deepcopy(self.account)
        now.wake(self.world.now + timedelta(seconds=1))
        price, _ = now.tariffs[now.tariff].on(now.day)
        amount = trackers_paid * model.share(price, now.day) - now.balance + short
        if amount > 0:
            self.both(lambda: self.world.top_up(amount), lambda: self.account.top_up(amount))

    @rule(over=st.integers(-2, 2), trackers_paid=st.integers(0, 3))
    def a_hard_day(self, over: int, trackers_paid: int) -> None:
        """What some trackers cost tomorrow is all that is left, and tomorrow comes."""
        now = deepcopy(self.account)
        now.wake(self.world.now + timedelta(seconds=1))
        price, _ = now.tariffs[now.tariff].on(now.day + timedelta(days=1))
        amount = now.balance - trackers_paid * model.share(price, now.day + timedelta(days=1)) - over
        if amount > 0:
            self.ask_back(amount)
        self.world.later(days=1)
        self.run()

    @rule(data=st.data())
    def reverse(self, data: st.DataObject) -> None:
        kinds = ("topup", "bonus", "connection", "daily")
        places = [place for place, movement in enumerate(self.account.movements) if movement.kind in kinds]
        if not places:
            return
        place = data.draw(st.sampled_from(places))
        again = place in self.account.reversed
        entry_id, no = self.bench.run(self.lines_like(self.account.movements[place], reversed_before=again))[0]
        self.both(lambda: self.world.reverse(entry_id, no), lambda: self.account.reverse(place))

    async def lines_like(self, movement: Movement, *, reversed_before: bool) -> list[tuple[int, int]]:
        """The database's lines of this movement, those that were reversed or those that weren't."""
        async with self.world.database.pool.connection() as connection:
            found = await connection.execute(
                "SELECT e.id, li.no FROM ledger_entries e JOIN ledger_lines li ON li.entry_id = e.id"
                " JOIN ledger_accounts l ON l.id = li.ledger_id AND l.kind = 'customer'"
                " LEFT JOIN billed_trackers t ON t.id = li.tracker_id"
                " WHERE e.day = %s AND e.kind = %s AND t.name IS NOT DISTINCT FROM %s AND li.amount = %s"
                " AND EXISTS (SELECT FROM ledger_lines r WHERE r.reverses_entry = e.id AND r.reverses_no = li.no) = %s"
                " ORDER BY 1, 2",
                [movement.day, movement.kind, movement.tracker, movement.amount, reversed_before],
            )
            return await found.fetchall()

    # --- SMS ---

    def meter(self) -> SmsMeter:
        return SmsMeter(self.world.database, clock=lambda: self.world.now)

    @rule()
    def send_sms(self) -> None:
        self.number += 1
        number, allowed = self.number, list[bool]()

        async def reserved() -> None:
            assert (await self.meter().reserve(self.world.account_id, number, 1) is None) == allowed[0]

        self.both(reserved, lambda: allowed.append(self.account.send_sms(number)))

    @precondition(lambda self: self.account.sms)
    @rule(sent=st.booleans(), data=st.data())
    def sms_ends(self, sent: bool, data: st.DataObject) -> None:
        """And is told twice, as after a crash."""
        number = data.draw(st.sampled_from(sorted(self.account.sms)))

        async def ended() -> None:
            for _ in range(2):
                await (self.meter().settle(number, 1) if sent else self.meter().give_back(number))

        free = not self.account.sms[number]  # nothing of it is in the ledger, and no book is opened
        before = deepcopy(self.account)
        self.both(ended, lambda: self.account.sms_sent(number) if sent else self.account.sms_failed(number))
        if free:
            self.account = before
            del self.account.sms[number]

    # --- refunds ---

    @rule(amount=amounts)
    def ask_back(self, amount: int) -> None:
        self.number += 1
        number = self.number

        async def asked() -> None:
            async with self.world.book() as book:
                await book.post("refund_requested", [Line("customer", -amount), Line("refund", amount)], key=f"refund:{number}")
                await book.connection.execute(
                    "INSERT INTO refunds (account_id, kind, amount, currency, comment) VALUES (%s, 'balance', %s, 'EUR', %s)",
                    [self.world.account_id, amount, str(number)],
                )

        self.both(asked, lambda: self.account.ask_back(number, amount))

    @precondition(lambda self: self.account.refunds)
    @rule(data=st.data(), paid=st.booleans())
    def refund_ends(self, data: st.DataObject, paid: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.account.refunds)))
        amount = self.account.refunds[number]

        async def ended() -> None:
            async with self.world.book() as book:
                state, kind, to = ("paid", "refund", "clearing:cash") if paid else ("rejected", "refund_returned", "customer")
                await book.post(kind, [Line("refund", -amount), Line(to, amount)], key=f"refund:{number}:{state}")
                await book.connection.execute("UPDATE refunds SET state = %s WHERE comment = %s", [state, str(number)])
                if not paid:
                    await trackers.pay_blocked(book)

        self.both(ended, lambda: self.account.refund_paid(number) if paid else self.account.refund_refused(number))

    # --- always ---

    @invariant()
    def agree(self) -> None:
        if self.ids:
            self.bench.run(self.compare())

    async def compare(self) -> None:
        async with self.world.database.pool.connection() as connection:
            (charged_through,) = await one(connection, "SELECT charged_through FROM billing_accounts")
        lines = await self.world.charges()
        simple = self.account
        assert charged_through is None or charged_through <= simple.day
        wanted = Counter((str(m.day), m.kind, m.tracker, m.amount) for m in simple.movements)
        assert Counter(lines) == wanted
        assert await self.world.balance() == simple.balance
        assert await self.world.balance("sms") == sum(simple.sms.values())
        assert await self.world.balance("refund") == sum(simple.refunds.values())
        assert await self.world.states() == simple.states()

    def teardown(self) -> None:
        if self.ids:
            self.both(self.world.run, lambda: None)
            self.bench.run(self.at_the_end())

    async def at_the_end(self) -> None:
        await self.compare()
        assert await problems(self.world.database) == []
        await self.statement_adds_up()
        await self.outlook_comes_true()

    async def statement_adds_up(self) -> None:
        """For whatever period: opening, lines, closing."""
        movements = self.account.movements
        middle = movements[len(movements) // 2].day if movements else self.account.day
        for since, until in ((date(2020, 1, 1), middle), (middle, middle), (middle, date(2100, 1, 1))):
            head = await statement.head(self.world.database, statement.Selection(self.world.account_id, since, until))
            lines = [line async for part in statement.parts(self.world.database, head) for line in part]
            within = [movement for movement in movements if since <= movement.day <= until]
            assert head.opening == sum(movement.amount for movement in movements if movement.day < since)
            assert head.closing == head.opening + sum(movement.amount for movement in within)
            assert Counter((line.day, line.kind, line.name, line.amount) for line in lines) == Counter(
                (movement.day, movement.kind, movement.tracker, movement.amount) for movement in within
            )
            assert not lines or lines[-1].balance == head.closing

    async def outlook_comes_true(self) -> None:
        """If nothing else happens, the coming days cost what was foretold."""
        async with self.world.database.pool.connection() as connection:
            told = await forecast.outlook(connection, self.world.account_id, now=self.world.now, days=70)
        ahead = deepcopy(self.account)
        for day in told.days:
            blocked, balance = sum("unpaid" in t.blocks for t in ahead.trackers), ahead.balance
            ahead.next_day()
            lived = sum("unpaid" in tracker.blocks for tracker in ahead.trackers) - blocked
            assert (ahead.day, balance - ahead.balance, ahead.balance, lived) == (day.day, day.amount, day.balance, day.blocked)
        first = next((day.day for day in told.days if day.blocked), None)
        if first is not None or (told.days_left or 0) < 70:
            assert told.runs_out == first


@pytest.mark.timeout(7200 if LARGE else 300)
def test_whatever_happens_the_model_agrees(server_url: str, template: str, tmp_path: Path) -> None:
    with new_database(server_url, template) as url, asyncio.Runner() as runner:
        opened = open_database(Settings(database_url=url, data_dir=tmp_path))
        database = runner.run(opened.__aenter__())
        BillingMachine.bench = Bench(database, runner.get_loop())
        try:
            run_state_machine_as_test(BillingMachine, settings=PROFILE)
        finally:
            runner.run(opened.__aexit__(None, None, None))
