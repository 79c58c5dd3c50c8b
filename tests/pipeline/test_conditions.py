"""Idling, fuel, power, battery and silence: what is told and when, held to a slow reference however reports are cut."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from protocols import Columns
from telematics.config import ConditionSettings, MotionSettings, SanitySettings, Settings
from telematics.pipeline import conditions, worker
from telematics.pipeline.conditions import LISTENED, Conditions, thresholds
from telematics.pipeline.runs import linear
from telematics.pipeline.stages import Reports, Stages
from telematics.pipeline.state import State, instant
from telematics.store.records import Event
from tests.test_server import IDS, add_devices, rows, running, send, track

START = datetime(2026, 3, 1, 6, 0, tzinfo=UTC).timestamp()
NOW = np.datetime64("2026-03-02T00:00:00", "ms")


@dataclass(frozen=True)
class Said:
    """A report; minutes since the start, kilometres north of home."""

    minute: float
    km: float | None = 0.0  # None: no fix
    speed: float | None = 0.0
    ignition: bool | None = None
    fuel: float | None = None
    power: float | None = None
    battery: float | None = None
    slot: int = 0


def reports_of(batch: Sequence[Said]) -> Reports:
    def column(name: str) -> Any:
        return [math.nan if (value := getattr(said, name)) is None else float(value) for said in batch]

    placed = np.array([said.km is not None for said in batch], "?")
    columns = Columns.of(
        len(batch),
        frame=np.arange(len(batch)),
        time=np.array([int((START + said.minute * 60) * 1000) for said in batch], "i8").view("M8[ms]"),
        valid=placed,
        latitude=np.where(placed, [43.2 + (said.km or 0) / 111.195 for said in batch], np.nan),
        longitude=np.where(placed, 76.9, np.nan),
        speed_kmh=np.where(placed, column("speed"), np.nan),
        ignition=column("ignition"),
        fuel_l=column("fuel"),
        power_v=column("power"),
        battery_percent=column("battery"),
    )
    slot = np.array([said.slot for said in batch], "i4")
    return Reports(columns, slot, np.zeros(len(batch), "i2"), np.full(len(batch), NOW))


def run(*batches: Sequence[Said], more: dict[str, Any] | None = None) -> tuple[list[Event], State]:
    """Events of conditions alone."""
    stages, state = Stages(SanitySettings(max_jump_kmh=1e9), MotionSettings(), ConditionSettings()), State(2)
    state.device_id[:2] = (1, 2)
    for name, value in thresholds(more or {}).items():
        state.thresholds[name][0] = value
    events, number = list[Event](), 1
    for batch in batches:
        outcome = stages.run(reports_of(batch), state, number)
        number += len(batch)
        events += [event for event in outcome.events if event.type in TYPES]
    return events, state


TYPES = {"deviceIdle", "deviceFuelDrop", "deviceFuelIncrease", "powerLost", "powerRestored", "batteryLow"}


def told(events: Sequence[Event]) -> list[tuple[Any, ...]]:
    return [
        (
            event.type,
            (event.time.timestamp() - START) / 60,
            *(value for name, value in event.attributes.items() if name != "noticed"),
        )
        for event in events
    ]


def standing(name: str, *values: float | None, every: float = 1.0) -> list[Said]:
    return [replace(Said(place * every), **{name: value}) for place, value in enumerate(values)]  # type: ignore[arg-type]


def test_standing_with_the_ignition_on_is_told_once_with_the_time_it_was_reached() -> None:
    batch = [Said(minute, ignition=True) for minute in range(12)]
    assert told(run(batch)[0]) == [("deviceIdle", 5, 300)]


def test_a_vehicle_that_reports_rarely_idles_since_when_it_did() -> None:
    events, _ = run([Said(0, ignition=True)], [Said(30, ignition=True)], [Said(60)])
    assert told(events) == [("deviceIdle", 5, 300)]
    assert events[0].attributes["noticed"] == "2026-03-01T06:30:00Z"  # it isn't stale because the report came late


@pytest.mark.parametrize(
    ("between", "wanted"),
    [
        pytest.param(Said(3, ignition=False), [9], id="the engine was off"),
        pytest.param(Said(3, km=0.2, speed=30), [9], id="it went on a little"),
        pytest.param(Said(3, km=1.0, speed=0), [9], id="the fix is elsewhere, though it says it stood on the way"),
        pytest.param(Said(3, km=0.02, speed=6), [5], id="the fix drifts"),
        pytest.param(Said(3, km=None, ignition=None), [5], id="a heartbeat that doesn't say"),
    ],
)
def test_what_ends_idling_and_what_does_not(between: Said, wanted: list[int]) -> None:
    there = between.km or 0.0
    after = [Said(minute, km=there, ignition=True) for minute in range(4, 12)]
    events, _ = run([Said(0, ignition=True), Said(2, ignition=True), between, *after])
    assert [at for _, at, _ in told(events)] == wanted


def test_idling_is_told_again_on_the_next_occasion() -> None:
    first = [Said(minute, ignition=True) for minute in range(7)]
    off = [Said(7, ignition=False)]
    again = [Said(minute, ignition=True) for minute in range(8, 15)]
    assert [at for _, at, _ in told(run(first, off, again)[0])] == [5, 13]


FUEL = [
    pytest.param((80, 80, 80, 50, 50, 50), [("deviceFuelDrop", 3, 80, 50)], id="a drop, confirmed by the second reading"),
    pytest.param((80, 80, 80, 20, 80, 80, 80), [], id="a single wild value"),
    pytest.param((80, 80, 0, 0, 0, 80, 80), [], id="a sensor without power says 0"),
    pytest.param((20, 20, 45, 90, 110, 120, 120, 120), [("deviceFuelIncrease", 5, 20, 120)], id="one refuelling is one event"),
    pytest.param((80, 80, 72, 72, 64, 64), [], id="each less than the threshold"),
    pytest.param((80, 80, 83, 78, 81, 79, 82, 80, 80), [], id="noise"),
    pytest.param(
        (80, 80, 50, 50, 75, 75),
        [("deviceFuelDrop", 2, 80, 50), ("deviceFuelIncrease", 4, 50, 75)],
        id="drained and filled",
    ),
    pytest.param((80, 80, None, 60, None, 60), [("deviceFuelDrop", 3, 80, 60)], id="readings between reports"),
]


@pytest.mark.parametrize(("levels", "wanted"), FUEL)
def test_fuel_while_standing(levels: tuple[float | None, ...], wanted: list[Any]) -> None:
    assert told(run(standing("fuel", *levels))[0]) == wanted
    assert told(run(*([said] for said in standing("fuel", *levels)))[0]) == wanted


def test_a_tank_being_filled_is_told_when_it_is_full_however_often_it_is_read() -> None:
    """A reading a second, 50 litres a minute."""
    levels = [40.0] * 90 + [40 + 50 * second / 60 for second in range(180)] + [190.0] * 150
    batch = [Said(second / 60, fuel=level) for second, level in enumerate(levels)]
    ((name, _, before, after),) = told(run(batch)[0])
    assert (name, before, after) == ("deviceFuelIncrease", 40, 190)


def test_fuel_slops_about_on_the_way_and_that_is_no_theft() -> None:
    way = [Said(minute, km=minute, speed=60, fuel=100 + 12 * math.sin(minute * 2.3)) for minute in range(60)]
    there = [Said(60 + minute, km=60, fuel=98) for minute in range(5)]
    assert told(run(way, there)[0]) == []
    stolen = [Said(60 + minute, km=60, fuel=70) for minute in range(5)]
    ((name, at, before, after),) = told(run(way, stolen)[0])
    assert (name, at, after) == ("deviceFuelDrop", 61, 70)  # that of the first report from where it stood before
    assert before == pytest.approx(100, abs=4)


def test_what_an_engine_uses_while_it_stands_is_no_drop() -> None:
    assert told(run(standing("fuel", *(80 - 3 * hour for hour in range(20)), every=60.0))[0]) == []


def test_power_is_lost_once_and_comes_back() -> None:
    events, _ = run(standing("power", 0.0, 12.4, 5.9, 0.0, None, 6.5, 5.0, 7.0, 12.0, 3.0))
    assert told(events) == [("powerLost", 2, 5.9), ("powerRestored", 7, 7.0), ("powerLost", 9, 3.0)]


def test_a_low_battery_is_told_again_only_after_it_was_charged() -> None:
    assert told(run(standing("battery", 50, 19, 21, 19, 29, 18, 30, 19.5))[0]) == [
        ("batteryLow", 1, 19.0),
        ("batteryLow", 7, 19.5),
    ]


def test_a_devices_own_attributes_go_before_the_settings() -> None:
    more = {"idleSeconds": 60, "fuelDropThreshold": "25", "powerLostVolts": 11, "batteryLowPercent": 40}
    fuel, power, battery = (80, 80, 60, 60, 20, 20), (12.5, 12.5, 10.9, 12, 12, 12), (50, 45, 39, 39, 39, 39)
    batch = [Said(minute, ignition=True, fuel=fuel[minute], power=power[minute], battery=battery[minute]) for minute in range(6)]
    assert sorted(told(run(batch, more=more)[0])) == [
        ("batteryLow", 2, 39.0),
        ("deviceFuelDrop", 4, 60.0, 20.0),
        ("deviceIdle", 1, 60),
        ("powerLost", 2, 10.9),
        ("powerRestored", 3, 12.0),
    ]


@pytest.mark.parametrize(
    "value", [None, True, False, "", "soon", "nan", "inf", -1, 0, 1e300, 10**400, "9" * 400, [], {}, math.nan, math.inf]
)
def test_hostile_attributes_are_ignored(value: object) -> None:
    asked = thresholds({name: value for name, *_ in conditions.ATTRIBUTES.values()})
    assert all(math.isnan(number) for number in asked.values())


# Silence


def silence(heard: Sequence[float | None], own: Sequence[float] = ()) -> tuple[Conditions, State]:
    """Devices heard so many seconds before NOW."""
    state = State(len(heard))
    state.device_id[: len(heard)] = np.arange(len(heard)) + 1
    for slot, seconds in enumerate(heard):
        if seconds is not None:
            state["heard"][slot] = NOW - np.timedelta64(int(seconds * 1000), "ms")
    state.thresholds["inactive_s"][: len(own)] = own
    return Conditions(ConditionSettings(inactive_s=1000), MotionSettings()), state


def test_silence_is_told_once_with_the_time_it_was_too_long() -> None:
    known, state = silence([1500, 900, None, 1500, 90], own=[math.nan, math.nan, math.nan, 2000, 60])
    long_ago = NOW - np.timedelta64(30, "D")
    assert known.silent(state, NOW, long_ago) == [0, 4]
    assert known.silent(state, NOW, long_ago) == []
    assert known.inactive(0, state) == Event(
        1, instant(NOW - np.timedelta64(500, "s")), "deviceInactive", attributes={"inactive_s": 1000}
    )
    later = NOW + np.timedelta64(200, "s")
    assert known.silent(state, later, long_ago) == [1]
    state["heard"][0] = later
    assert known.silent(state, later, long_ago) == []
    assert known.silent(state, later + np.timedelta64(1001, "s"), long_ago) == [0, 3]
    assert state.dirty[0]


def test_nobody_is_inactive_because_we_did_not_listen() -> None:
    known, state = silence([90_000, 90_000], own=[math.nan, 80_000])
    assert known.silent(state, NOW, NOW - np.timedelta64(900, "s")) == []
    assert known.silent(state, NOW, NOW - np.timedelta64(1001, "s")) == [0]
    assert known.silent(state, NOW, NOW - LISTENED) == []
    assert known.silent(state, NOW, NOW - LISTENED - np.timedelta64(1, "s")) == [1]


async def test_the_worker_tells_of_silence_once_also_after_a_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TICK_S", 0.1)
    of_late = ConditionSettings(inactive_s=1)
    async with running(settings, conditions=of_late) as server:
        ids = await add_devices(server, [IDS["wialon"], IDS["osmand"]])
        await send(server, "wialon", track(datetime.now(UTC) - timedelta(minutes=5), 1))
        async with asyncio.timeout(10):
            while not (found := await rows(server, INACTIVE)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        heard = server.status(ids[IDS["wialon"]]).heard
        assert heard is not None
        assert found == [(ids[IDS["wialon"]], heard + timedelta(seconds=1), {"inactive_s": 1})]
    async with running(settings, conditions=of_late) as server:
        await asyncio.sleep(1.5)
        assert len(await rows(server, INACTIVE)) == 1


INACTIVE = "SELECT device_id, time, attributes FROM events WHERE type = 'deviceInactive'"


# Laws


@dataclass
class Slow:
    """The conditions once more, a report at a time; idling is in the stages' own reference."""

    reference: float | None = None
    last: float | None = None
    checked_at: float | None = None
    checked: float | None = None  # None: it didn't stand then
    stands: bool = False
    power: str = ""
    battery: str = ""
    events: list[tuple[Any, ...]] = field(default_factory=list)

    def report(self, said: Said) -> None:
        if said.km is not None and said.speed is not None:
            self.stands = said.speed < 4 or (said.speed < 8 and self.stands)
        if said.fuel is not None:
            if said.fuel > 0:
                self.fuel(said.minute, said.fuel)
            self.last = said.fuel
        if said.power is not None:
            now = "lost" if said.power < 6 and self.power else "there" if said.power >= 7 else self.power
            if self.power and now != self.power:
                self.events.append(("powerLost" if now == "lost" else "powerRestored", said.minute))
            self.power = now
        if said.battery is not None:
            now = "low" if said.battery < 20 else "well" if said.battery >= 30 else self.battery
            if now == "low" != self.battery:
                self.events.append(("batteryLow", said.minute))
            self.battery = now

    def fuel(self, minute: float, level: float) -> None:
        if self.checked_at is not None and int(minute) == int(self.checked_at):
            return
        before, self.checked = self.checked, level if self.stands else None
        before_at, self.checked_at = self.checked_at, minute
        if not self.stands:
            if self.last is None or abs(level - self.last) <= 10:
                self.reference = level if self.reference is None else 0.8 * self.reference + 0.2 * level
            return
        if before is None or before_at is None:
            return
        used = min(max(5 * (minute - before_at) / 60, 0), 4.5)
        if not before - 0.5 - used <= level <= before + 0.5:
            return
        if self.reference is not None and abs(level - self.reference) >= 10:
            self.events.append(("deviceFuelDrop" if level < self.reference else "deviceFuelIncrease", before_at))
        self.reference = level


said = st.builds(
    Said,
    st.integers(0, 200).map(lambda step: step / 4),
    st.none() | st.just(0.0),
    st.sampled_from([0.0, 0.0, 0.0, 5.0, 30.0]),
    st.none() | st.booleans(),
    st.none() | st.sampled_from([0.0, 40.0, 60.0, 60.25, 61.5, 80.0]),
    st.none() | st.sampled_from([0.0, 6.5, 12.0]),
    st.none() | st.sampled_from([10.0, 25.0, 90.0]),
    st.integers(0, 1),
)
logs = st.lists(said, max_size=40, unique_by=lambda one: (one.slot, one.minute)).map(
    lambda log: sorted(log, key=lambda one: one.minute)
)


@examples(max_examples=200, deadline=None)
@given(logs, st.lists(st.integers(0, 40), max_size=4))
def test_they_do_what_the_slow_ones_do_however_they_are_cut(log: list[Said], cuts: list[int]) -> None:
    slow = [Slow(), Slow()]
    for one in log:
        slow[one.slot].report(one)
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    whole, state = run(log)
    parts, cut_state = run(*(log[a:b] for a, b in pairwise(edges)))
    assert sorted(map(repr, whole)) == sorted(map(repr, _renumbered(whole, parts)))
    for slot in (0, 1):
        mine = [told([event])[0][:2] for event in whole if event.device_id == slot + 1 and event.type != "deviceIdle"]
        assert sorted(mine) == sorted(slow[slot].events)
        reference = slow[slot].reference
        for known in (state, cut_state):
            assert known["fuel_reference_l"][slot] == pytest.approx(math.nan if reference is None else reference, nan_ok=True)
            assert (known["idling"][slot] > 0) == slow[slot].stands
    for name in ("idle_since", "idling", "fuel_checked", "fuel_checked_l", "power_lost", "battery_low"):
        assert list(map(str, state[name][:2])) == list(map(str, cut_state[name][:2])), name


def _renumbered(whole: list[Event], parts: list[Event]) -> list[Event]:
    """Rows of other batches have other numbers; nothing else differs."""
    by_key = {(event.device_id, event.time, event.type): event.position_id for event in whole}
    return [
        Event(one.device_id, one.time, one.type, one.subject, by_key.get((one.device_id, one.time, one.type)), one.attributes)
        for one in parts
    ]


@examples(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 0.5, 0.8, 1.0]), st.floats(-100, 100)), max_size=40),
    st.sampled_from([math.nan, 0.0, 7.5]),
)
def test_many_steps_at_once_are_the_same_as_one_by_one(given_steps: list[tuple[int, float, float]], start: float) -> None:
    given_steps.sort(key=lambda step: step[0])
    slot = np.array([step[0] for step in given_steps], "i4")
    keep, add = np.array([step[1] for step in given_steps]), np.array([step[2] for step in given_steps])
    results, known = [], dict.fromkeys(range(3), start)
    for one, factor, plus in given_steps:
        known[one] = plus if factor == 0 else factor * known[one] + plus
        results.append(known[one])
    found = linear(keep.astype("f8"), add.astype("f8"), slot, np.full(len(slot), start))
    assert found.tolist() == pytest.approx(results, nan_ok=True)
