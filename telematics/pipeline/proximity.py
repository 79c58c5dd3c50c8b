"""Proximities at work: once a second the newest places of all vehicles are copied, and looked at beside the loop.

What comes of a look goes to the worker, which stores it with its next batch: events, outbox and pairs in one transaction. The
next look waits until that was taken; while the database takes nothing, nobody comes near anybody. After a crash the pairs are as
they were stored, with whoever was told of them, and looking goes on from there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import structlog
from msgspec.structs import replace
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from telematics.devices import Devices, Groups
from telematics.pipeline.pairs import Flips, Pairs, Places
from telematics.pipeline.plan import PLACE, Ints, Plan, device_of, make_plan, pair_key, partner_of, rule_of
from telematics.pipeline.state import State
from telematics.store.changes import Changes
from telematics.store.database import Database
from telematics.store.proximities import load_pairs, load_proximities
from telematics.store.records import Event, Pair, PairNews, Proximity, noticed_at

log = structlog.get_logger(__name__)

TICK_S = 1.0
REST = 2.0  # times what a look took, before the next one: watching too much costs a third of a core, not all of it
AGAIN_S = 10.0  # after a look that failed
REMIND_S = 3600.0  # of a proximity with more pairs than are watched
NOBODY = 0  # the device in the row that says that a proximity was looked at; also the partner where it is a place


class Taker(Protocol):
    """The worker, as it is needed here."""

    @property
    def ready(self) -> bool: ...

    def offer(self, events: list[Event], pairs: PairNews) -> None: ...


class Proximities(Collector):
    """`watch`, then `start` once the state is as it was, then `run`."""

    def __init__(self, database: Database, devices: Devices, groups: Callable[[], Groups], state: State) -> None:
        self._database, self._devices, self._groups, self._state = database, devices, groups, state
        self._proximities: dict[int, Proximity] = {}
        self._anew = set[int]()  # changed, so that nothing is known of them any more
        self._stale = True  # the plan is
        self._version = -1  # of the devices in it
        self._nowhere = np.zeros(0, "i8")  # slots that are left out until they have a fix again, see State.anew
        self._marked = set[int]()  # proximities of which the database knows that they were looked at
        self._reminded: dict[int, float] = {}
        self._news = PairNews()  # of pairs, not yet given to the worker
        self.pairs = Pairs()
        self.crowded: tuple[int, ...] = ()
        self.looks = 0
        self.look_s = 0.0

    def watch(self, changes: Changes) -> None:
        changes.subscribe("proximities", self._reload)
        changes.subscribe("calendars", self._reload_all)
        changes.subscribe("accounts", self._reload_all)
        changes.subscribe("groups", self._regroup)

    async def _reload(self, ids: set[int] | None) -> None:
        async with self._database.pool.connection() as connection:
            found = {one.id: one for one in await load_proximities(connection, None if ids is None else sorted(ids))}
        for number in set(self._proximities) if ids is None else ids:
            old, new = self._proximities.pop(number, None), found.get(number)
            if old is not None and (new is None or new.whom != old.whom):
                self._anew.add(number)
        self._proximities.update(found)
        self._stale = True

    async def _reload_all(self, _: set[int] | None) -> None:
        if self._proximities:
            await self._reload(None)

    async def _regroup(self, _: set[int] | None) -> None:
        self._stale = True

    async def start(self) -> None:
        """Pairs as they were stored."""
        async with self._database.pool.connection() as connection:
            stored = await load_pairs(connection)
        plan = await self._planned()
        place = {number: at for at, number in enumerate(plan.id.tolist())}
        self._marked = {pair.proximity_id for pair in stored if pair.device_id == NOBODY}
        found: dict[int, Pair] = {}
        gone = list[Pair]()
        for pair in stored:
            device, partner = self._devices.get(pair.device_id), self._devices.get(pair.partner_id)
            if device is not None and (partner is not None or pair.partner_id == NOBODY) and pair.proximity_id in place:
                slot = PLACE if partner is None else partner.slot
                found[int(pair_key(place[pair.proximity_id], device.slot, slot))] = pair
            elif pair.device_id != NOBODY:
                gone.append(replace(pair, near=None))
        key = np.array(list(found), "i8")
        held = plan.holds(key)
        gone += [replace(found[one], near=None) for one in key[~held].tolist()]
        self._news = PairNews(pairs=gone)
        known = [found[one] for one in key[held].tolist()]
        near = np.array([bool(pair.near) for pair in known], "?")
        since_ms = np.array([int(pair.since.timestamp() * 1000) for pair in known], "i8")
        self._anew.clear()
        self.pairs.restore(plan, key[held], near, since_ms, self._marked)
        self._stale = True  # what was not looked at before is marked by the first look

    async def run(self, worker: Taker) -> None:
        while True:
            started = time.monotonic()
            pause_s = TICK_S
            if worker.ready and (self._proximities or self._marked):
                try:
                    await self._tick(worker)
                except Exception:  # whatever it is, it must not end the server: positions come first
                    log.exception("the look at who is near whom failed")
                    pause_s = AGAIN_S
            took_s = time.monotonic() - started
            await asyncio.sleep(max(pause_s - took_s, took_s * REST))

    async def _tick(self, worker: Taker) -> None:
        found_again = not self._state.anew[self._nowhere].all()
        if self._stale or found_again or self._version != self._devices.version:
            await self._change()
        places = self._places()
        events, pairs = await asyncio.to_thread(self._look, places, int(time.time() * 1000))
        news, self._news = PairNews(self._news.forgotten, self._news.pairs + pairs), PairNews()
        if events or news:
            worker.offer(events, news)

    async def _change(self) -> None:
        """Go on with what is wanted now. What that makes of stored pairs is told with the next look."""
        anew, self._anew = self._anew, set()
        plan, old = await self._planned(), self.pairs.plan
        gone = _forgotten(old, await asyncio.to_thread(self.pairs.change, plan, anew))
        known = set(plan.id.tolist())
        forgotten = (anew | (self._marked - known)) & self._marked
        marks = known - self._marked | forgotten & known
        self._marked = known
        now = datetime.now(UTC)
        new = [Pair(number, NOBODY, NOBODY, False, now) for number in sorted(marks)]
        self._news = PairNews(self._news.forgotten + sorted(forgotten), self._news.pairs + gone + new)

    async def _planned(self) -> Plan:
        self._stale, self._version = False, self._devices.version
        devices, proximities, groups = list(self._devices), list(self._proximities.values()), self._groups()
        self._nowhere = np.flatnonzero(self._state.anew)
        return await asyncio.to_thread(make_plan, proximities, devices, groups, frozenset(self._nowhere.tolist()))

    def _places(self) -> Places:
        """About a millisecond for 100,000 devices."""
        state = self._state
        newest = state["time"] == state["fix_time"]
        return Places(
            latitude=state["latitude"].copy(),
            longitude=state["longitude"].copy(),
            time_ms=state["fix_time"].view("i8").copy(),
            speed_kmh=state["speed_kmh"].astype("f8"),
            stands=state["moving"] == 0,
            position_id=np.where(newest, state["position_id"], 0),
        )

    def _look(self, places: Places, now_ms: int) -> tuple[list[Event], list[Pair]]:
        """In a thread."""
        started = time.perf_counter()
        plan = self.pairs.plan
        look = self.pairs.look(places, now_ms)
        self._remind(look.crowded)
        changed = list(_told(plan, look.flips))
        events = [self._event(plan, look.flips, at) for at, pair in enumerate(changed) if _is_told(plan, look.flips, at, pair)]
        self.looks += 1
        self.look_s += time.perf_counter() - started
        gone = set(look.gone.tolist())  # some have just parted, and need not cool down
        kept = [pair for key, pair in zip(look.flips.key.tolist(), changed, strict=True) if key not in gone]
        return events, kept + _forgotten(plan, look.gone)

    def _event(self, plan: Plan, flips: Flips, at: int) -> Event:
        proximity = plan.proximities[int(rule_of(flips.key[at]))]
        device_id, partner_id = _ids(plan, flips.key[at])
        partner = self._devices.get(partner_id)
        since = _instant(flips.since_ms[at])
        return Event(
            device_id,
            since,
            "proximityEnter" if flips.near[at] else "proximityExit",
            f"{proximity.id}:{partner_id}",
            int(flips.position_id[at]) or None,
            {
                "proximity": proximity.name,
                "partner": partner_id or None,
                "partner_name": partner.name if partner else None,
                "distance_m": round(float(flips.distance_m[at])),
                **noticed_at(since, _instant(flips.noticed_ms[at])),
            },
        )

    def _remind(self, crowded: tuple[int, ...]) -> None:
        self.crowded = crowded
        now = time.monotonic()
        for number in crowded:
            if now - self._reminded.get(number, -REMIND_S) >= REMIND_S:
                self._reminded[number] = now
                log.warning("a proximity has more pairs than are watched: choose smaller groups or distances", proximity=number)

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("telematics_proximity_pairs", "Pairs that are near or about to be", value=len(self.pairs))
        yield GaugeMetricFamily(
            "telematics_proximity_crowded", "Proximities with more pairs than are watched", value=len(self.crowded)
        )
        yield CounterMetricFamily("telematics_proximity_looks", "Looks at who is near whom", value=self.looks)
        yield CounterMetricFamily("telematics_proximity_look_seconds", "Time that they took", value=self.look_s)


def _told(plan: Plan, flips: Flips) -> Iterator[Pair]:
    for key, near, since_ms in zip(flips.key, flips.near.tolist(), flips.since_ms, strict=True):
        device_id, partner_id = _ids(plan, key)
        yield Pair(int(plan.id[rule_of(key)]), device_id, partner_id, near, _instant(since_ms))


def _is_told(plan: Plan, flips: Flips, at: int, pair: Pair) -> bool:
    proximity = plan.proximities[int(rule_of(flips.key[at]))]
    return not flips.silent[at] and proximity.hours.contains(pair.since)


def _forgotten(plan: Plan, keys: Ints) -> list[Pair]:
    now = datetime.now(UTC)
    return [Pair(int(plan.id[rule_of(key)]), *_ids(plan, key), None, now) for key in keys]


def _ids(plan: Plan, key: Any) -> tuple[int, int]:
    """Of the vehicle and its partner."""
    partner = int(partner_of(key))
    return int(plan.device_id[device_of(key)]), NOBODY if partner == PLACE else int(plan.device_id[partner])


def _instant(milliseconds: np.int64) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
