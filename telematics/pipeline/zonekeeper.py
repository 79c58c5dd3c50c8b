"""What happens to visits without a fix: zones are edited, devices change their groups, time passes.

All of this runs between two batches. A new outline is looked up for all vehicles in a thread, from a copy of their places; what
moved meanwhile is looked up again when the index changes, which is a few milliseconds' work.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telematics.pipeline.geofences import Geofences, by_slot, contained, moment, to_events
from telematics.pipeline.state import ONLINE, State
from telematics.pipeline.visits import Happening, Visit, confirm_quiet, dwell_quiet, first_look, settled, unheard
from telematics.pipeline.zoned import NEVER, read_visits
from telematics.store.records import Event
from telematics.zones.registry import Index, Zone

AWAY = "geofenceAway"
CATCH_UP_MS = 15 * 60_000  # deadlines that passed while the server was down
SETTLED_MS = 30_000  # after a start: trackers send first what they kept meanwhile
DAY = timedelta(days=1)


class ZoneKeeper:
    def __init__(self, geofences: Geofences, state: State) -> None:
        self._geofences = geofences
        self._state = state
        self._started: int | None = None  # ms, the first tick
        self._told_until = 0  # ms: deadlines up to then have been looked at
        self._listening_since = 0  # ms: before, nobody could be heard

    def zones_of(self, slot: int) -> list[int]:
        """The zones a device is settled in, ascending."""
        return sorted(visit.zone_id for visit in self._state.zoned.of(slot).values() if visit.inside)

    # --- edits ---

    def restore(self, index: Index, saved: Iterable[tuple[int, bytes | None]]) -> None:
        """At the start: visits as they were saved with each slot's place. Zones that were edited since are looked at anew."""
        state, zoned = self._state, self._state.zoned
        self._geofences.index = index
        for slot, text in saved:
            if slot < 0:  # of a device that is gone
                continue
            visits = [visit for visit in read_visits(text) if self._still(index, visit)]
            if visits:
                zoned.replace(slot, self._attached(slot, visits, index), index)
        self._seed(index, self._geofences.containing(np.flatnonzero(state.device_id != 0), state), now=None)

    async def follow(self, index: Index, moved: frozenset[int], edited: frozenset[int]) -> None:
        """Take over an index in which zones are new, gone or elsewhere, or for other devices; others have but other rules."""
        state = self._state
        slots = np.flatnonzero(state.device_id != 0)
        before = state["zoned_time"][slots].copy()
        places = (state["zoned_longitude"][slots], state["zoned_latitude"][slots])  # copies: chosen by an array
        device = (state.device_id[slots], state.account_id[slots], state.group_id[slots])
        found = await asyncio.to_thread(_found_in, index, moved, slots, places, device)
        # From here on nothing waits: no batch comes between
        other_rules = [zone_id for zone_id in edited - moved if self._decides_otherwise(zone_id, index)]
        self._geofences.index = index
        dropped = state.zoned.drop(moved)
        state.dirty[list(dropped)] = True
        again = defaultdict[int, dict[int, Visit]](dict, {slot: {} for slot in dropped})  # what these slots' visits add up to
        for zone_id in other_rules:
            for slot in state.zoned.slots_of(zone_id):
                again[slot][zone_id] = state.zoned.of(slot)[zone_id]
        after = state["zoned_time"][slots]
        same = (after == before) | (np.isnat(after) & np.isnat(before))
        same &= state.device_id[slots] == device[0]
        changed = slots[~same]
        fresh = set(slots[same].tolist())
        seeds = [(slot, zone_id) for slot, zone_id in found if slot in fresh] if len(changed) else found
        fresh_zones = [pair for pair in self._geofences.containing(changed, state) if pair[1] in moved]
        self._seed(index, [*seeds, *fresh_zones], now=_now(), also=again)

    def reattach(self, slots: Sequence[int]) -> None:
        """After devices changed their group or account: zones that are for them now, and those no longer."""
        index, state = self._geofences.index, self._state
        if not len(index):
            return
        for slot in slots:
            visits = list(state.zoned.of(slot).values())
            kept = self._attached(slot, visits, index)
            if len(kept) != len(visits):
                state.zoned.replace(slot, kept, index)
                state.dirty[slot] = True
        self._seed(index, self._geofences.containing(np.array(slots, "i8"), state), now=_now())

    def take_over(self, slot: int, visits: Iterable[Visit]) -> None:
        """What late fixes make of a device's visits."""
        index = self._geofences.index
        kept = [visit for visit in visits if self._still(index, visit)]
        self._state.zoned.replace(slot, self._attached(slot, kept, index), index)
        self._state.dirty[slot] = True

    def _still(self, index: Index, visit: Visit) -> bool:
        zone = self._zone(visit.zone_id, index)
        return zone is not None and zone.shape == visit.shape

    def _zone(self, zone_id: int, index: Index | None = None) -> Zone | None:
        index = index or self._geofences.index
        place = index.place_of.get(zone_id)
        return None if place is None else index.zones[place]

    def _attached(self, slot: int, visits: Sequence[Visit], index: Index) -> list[Visit]:
        if not visits:
            return []
        places = np.array([index.place_of[visit.zone_id] for visit in visits], "i8")
        state, own = self._state, np.full(len(visits), slot)
        mask = index.attached(places, state.device_id[own], state.account_id[own], state.group_id[own])
        return [visit for visit, theirs in zip(visits, mask.tolist(), strict=True) if theirs]

    def _decides_otherwise(self, zone_id: int, index: Index) -> bool:
        """Whether what visits of the zone add up to is something else by that index."""
        old, new = self._zone(zone_id), self._zone(zone_id, index)
        names = ("confirm_s", "dwell_s", "speed_limit_kmh", "back_by")
        return any(getattr(old, name, None) != getattr(new, name, None) for name in names)

    def _seed(
        self, index: Index, found: Iterable[tuple[int, int]], now: int | None, also: Mapping[int, dict[int, Visit]] | None = None
    ) -> None:
        """Vehicles that are in a zone without a visit of it: silently in. `also`: other visits to be summed up."""
        zoned, state = self._state.zoned, self._state
        looks = dict[tuple[int, int], Visit]()  # all at the same time are the same
        seeds = dict[int, dict[int, Visit]]()
        for slot, zone_ids in by_slot(found).items():
            known = zoned.of(slot)
            at = int(state["zoned_time"][slot].astype("i8")) if now is None else now
            for zone_id in zone_ids:
                if zone_id not in known and (zone := self._zone(zone_id, index)) is not None:
                    if (look := looks.get((zone_id, at))) is None:
                        look = looks[zone_id, at] = first_look(zone, inside=True, at=at)
                    seeds.setdefault(slot, {})[zone_id] = look
        state.dirty[list(seeds)] = True
        for slot, visits in (also or {}).items():
            seeds[slot] = {**visits, **seeds.get(slot, {})}
        zoned.update(seeds, index)

    # --- the clock ---

    def candidates(self) -> list[tuple[int, Visit]]:
        """(slot, visit) that the clock would confirm."""
        zoned = self._state.zoned
        slots = np.flatnonzero(zoned.ripe != NEVER).tolist()
        return [(slot, visit) for slot in slots for visit in zoned.of(slot).values() if visit.clear_received is not None]

    def settle(self, told: Iterable[tuple[int, Visit]]) -> None:
        """Candidates that were told of before a crash: what came later must not find them undecided."""
        for slot, known in told:

            def change(zone: Zone, visit: Visit, known: Visit = known) -> Visit:
                return settled(zone, visit) if visit == known else visit

            self._change(slot, change)

    def listen(self, since: int) -> None:
        """Nobody could be heard until then (ms), so that silence meant nothing; trackers now send first what they kept."""
        self._listening_since = since
        for slot in {slot for slot, _ in self.candidates()}:
            self._change(slot, lambda _, visit: unheard(visit, since))

    def _change(self, slot: int, change: Callable[[Zone, Visit], Visit]) -> None:
        visits = [
            visit if (zone := self._zone(visit.zone_id)) is None else change(zone, visit)
            for visit in self._state.zoned.of(slot).values()
        ]
        self._state.zoned.replace(slot, visits, self._geofences.index)
        self._state.dirty[slot] = True

    def tick(self, now: datetime) -> list[Event]:
        """Once a second: what comes true although nothing is heard."""
        ms = int(now.timestamp() * 1000)
        if not len(self._geofences.index):
            self._told_until = ms if self._started is not None else ms - CATCH_UP_MS
            return []
        return [*self._confirmed(ms), *self._dwelt(ms), *self._away(ms)]

    def _confirmed(self, now: int) -> Iterator[Event]:
        for slot in np.flatnonzero(self._state.zoned.ripe <= now).tolist():
            yield from self._each(slot, lambda zone, visit: confirm_quiet(zone, visit, now))

    def _dwelt(self, now: int) -> Iterator[Event]:
        """A vehicle may have gone quiet inside. Its own clock goes on from its newest report, as long as it is online."""
        state, zoned = self._state, self._state.zoned
        slots = np.flatnonzero((zoned.due != NEVER) & ~zoned.pending)
        slots = slots[(state["status"][slots] == ONLINE) & ~np.isnat(state["clock"][slots])]
        received = state["received"][slots].astype("M8[ms]").view("i8")
        if now < self._listening_since + SETTLED_MS:  # who has left meanwhile may be about to say so
            slots, received = slots[received >= self._listening_since], received[received >= self._listening_since]
        here = state["clock"][slots].astype("M8[ms]").view("i8") + np.maximum(now - received, 0)
        for slot, at in zip(slots.tolist(), here.tolist(), strict=True):
            if at >= zoned.due[slot]:
                yield from self._each(slot, lambda zone, visit, at=at: dwell_quiet(zone, visit, at))

    def _each(self, slot: int, look: Any) -> Iterator[Event]:
        state, index = self._state, self._geofences.index
        visits = dict(state.zoned.of(slot))
        changed = False
        for zone_id, visit in list(visits.items()):
            zone = self._zone(zone_id)
            if zone is not None:
                visits[zone_id], told = look(zone, visit)
                changed |= visits[zone_id] is not visit
                yield from to_events(zone, int(state.device_id[slot]), told)
        if changed:
            state.zoned.replace(slot, visits.values(), index)
            state.dirty[slot] = True

    def _away(self, now: int) -> Iterator[Event]:
        """Who is not where he should be back by now."""
        if self._started is None:
            self._started = now
            self._told_until = now - CATCH_UP_MS
        if now < self._started + SETTLED_MS and self._told_until < self._started:
            return
        since, self._told_until = self._told_until, now
        for zone in self._geofences.index.zones:
            if zone is not None and zone.back_by is not None:
                for deadline in deadlines(zone, since, now):
                    yield from self._missing(zone, deadline)

    def _missing(self, zone: Zone, deadline: int) -> Iterator[Event]:
        state, index = self._state, self._geofences.index
        shown = (state.device_id != 0) & ~(state.blocked | state.anew)  # of the others nobody knows where they are
        slots = np.flatnonzero((state.account_id == zone.account_id) & ~np.isnat(state["fix_time"]) & shown)
        place = index.place_of[zone.id]
        slots = slots[index.devices_of(place, state.device_id[slots], state.account_id[slots], state.group_id[slots])]
        there = state.zoned.slots_of(zone.id)
        for slot in slots.tolist():
            if slot in there and was_there(state.zoned.of(slot)[zone.id], deadline):
                continue
            told = Happening(AWAY, deadline, int(state["position_id"][slot]) or None, {"geofence": zone.name}, deadline)
            yield from to_events(zone, int(state.device_id[slot]), [told])


def was_there(visit: Visit, at: int) -> bool:
    """Whether the vehicle was in the zone then, as far as is known now. On the way in counts: nobody is alarmed too early."""
    if visit.inside:
        return visit.since is None or visit.since <= at
    if visit.crossed is not None and visit.crossed <= at:
        return True
    return visit.since is not None and visit.since > at  # it left behind the deadline


def deadlines(zone: Zone, since: int, until: int) -> Iterator[int]:
    """When vehicles should be back, after `since` and up to `until`."""
    assert zone.back_by is not None
    day, last = moment(since).astimezone(zone.time_zone).date(), moment(until).astimezone(zone.time_zone).date()
    while day <= last:
        at = int(datetime.combine(day, zone.back_by, zone.time_zone).timestamp() * 1000)
        if since < at <= until:
            yield at
        day += DAY


def _found_in(
    index: Index, moved: frozenset[int], slots: NDArray[Any], places: tuple[Any, Any], device: tuple[Any, ...]
) -> list[tuple[int, int]]:
    """In a thread: who is in the zones that moved."""
    part = index.only(moved)
    accounts = np.unique(part.account[list(part.place_of.values())])
    known = np.flatnonzero(~np.isnan(places[0]) & np.isin(device[1], accounts))
    return contained(part, slots[known], places[0][known], places[1][known], tuple(values[known] for values in device))


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
