"""The stage of zones: who entered, left, passed, stayed, or was too fast inside.

Nearly always nothing happens: a vehicle is in the zones that it was in before. That is decided for all rows at once. The ways
from the fixes before are asked of the one tree over all zones; of the zones found, those that are for the device are compared
exactly (prepared outlines); their numbers' sum must be the device's mark (zoned.py), and the way must go through no other zone.
Rows of which that is not so, and all rows behind them, are walked by visits.py, zone by zone, with what it needs (crossings,
distances to the border) worked out for all of them together before.

So a row costs a microsecond or two, and a crossing some tens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from telematics.config import ZoneSettings
from telematics.pipeline.borders import crossings, distance_to_border_m
from telematics.pipeline.runs import Mask, Slots, first_of_run, settle
from telematics.pipeline.state import State
from telematics.pipeline.visits import Happening, Sight, Visit, first_look, walk
from telematics.store.records import Event, Rows, noticed_at
from telematics.zones.registry import Index, Zone

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]
NAT = np.iinfo(np.int64).min
AT_ONCE = 100  # fixes of a device: each is held against all zones that any of them touches
LEAST_DEGREE_M = 100_000.0  # of latitude; it is a tenth more, so that what is called clear of a border by this one is


@dataclass(slots=True)
class Fixes:
    """The fixes that zones are asked of, by device and time, each with the one before it."""

    slot: Slots
    longitude: Numbers
    latitude: Numbers
    time: Whole  # ms
    from_longitude: Numbers  # NaN: a device's first fix
    from_latitude: Numbers
    from_time: Whole
    received: Whole
    late: Mask
    position_id: Whole
    accuracy_m: Numbers
    speed_kmh: Numbers

    def lines(self, places: Whole) -> Any:
        """The way to each from the fix before it."""
        ends = np.empty((len(places), 2, 2))
        ends[:, 0, 0], ends[:, 0, 1] = self.from_longitude[places], self.from_latitude[places]
        ends[:, 1, 0], ends[:, 1, 1] = self.longitude[places], self.latitude[places]
        unknown = np.isnan(ends[:, 0, 0])
        ends[unknown, 0] = ends[unknown, 1]
        return shapely.linestrings(ends)


@dataclass(slots=True)
class Near:
    """Pairs of a fix and a zone that it, or the way to it, touches."""

    fix: Whole
    place: Whole  # of the zone in the index
    inside: Mask
    through: Mask  # not inside, and yet the way touches it

    def take(self, which: Any) -> Near:
        return Near(self.fix[which], self.place[which], self.inside[which], self.through[which])

    @classmethod
    def joined(cls, a: Near, b: Near) -> Near:
        names = ("fix", "place", "inside", "through")
        return cls(*(np.concatenate([getattr(a, name), getattr(b, name)]) for name in names))


class Geofences:
    def __init__(self, settings: ZoneSettings | None = None, speed_tolerance_kmh: float = 3.0) -> None:
        settings = settings or ZoneSettings()
        self._max_accuracy_m = settings.max_accuracy_m
        self._pass_gap_ms = int(settings.pass_gap_s * 1000)
        self._tolerance_kmh = speed_tolerance_kmh
        self.index = Index()

    def raised(self, rows: Rows, slot: Slots, places: NDArray[np.intp], speed: Numbers, state: State) -> list[Event]:
        """Events of these places, good fixes in order, with their speeds. The state moves on."""
        exact = ~(rows.columns.accuracy_m[places] > self._max_accuracy_m)  # not sent: NaN
        if not exact.all():
            places, speed = places[exact], speed[exact]
        if not len(self.index):
            _fixes(rows, slot[places], places, speed, state)
            return []
        portion = _place_in_run(slot[places]) // AT_ONCE
        if not portion.any():
            return self._raised(rows, slot, places, speed, state)
        events: list[Event] = []
        for number in range(int(portion.max()) + 1):  # what a tracker kept for days goes in portions
            some = np.flatnonzero(portion == number)
            events += self._raised(rows, slot, places[some], speed[some], state)
        return events

    def _raised(self, rows: Rows, slot: Slots, places: NDArray[np.intp], speed: Numbers, state: State) -> list[Event]:
        fixes = _fixes(rows, slot[places], places, speed, state)
        zoned, own = state.zoned, fixes.slot
        moved = (fixes.longitude != fixes.from_longitude) | (fixes.latitude != fixes.from_latitude)
        ours = self.index.accounts[np.minimum(state.account_id[own], len(self.index.accounts) - 1)] > 0
        look = zoned.pending[own] | (fixes.time >= zoned.due[own]) | (fixes.speed_kmh > zoned.limit_kmh[own])
        asked = np.flatnonzero(moved & ours)
        near = self._near(fixes, asked, state)
        mark = np.zeros(len(own), "u8")
        inside = np.flatnonzero(near.inside)
        np.add.at(mark, near.fix[inside], self.index.number[near.place[inside]])
        look[asked] |= mark[asked] != zoned.mark[own[asked]]
        look[near.fix[near.through]] = True
        if not look.any():
            return []
        walked = _from_first(look, own)
        unasked = np.flatnonzero(walked & ~moved & ours)
        near = near.take(walked[near.fix])
        if len(unasked):
            near = Near.joined(near, self._near(fixes, unasked, state))
        return _Walk(self.index, fixes, np.flatnonzero(walked), near, state, self._tolerance_kmh).events()

    def containing(self, slots: NDArray[np.integer[Any]], state: State, index: Index | None = None) -> list[tuple[int, int]]:
        """(slot, zone's id) for those slots' places and the zones that are for them."""
        index = index or self.index
        known = slots[~np.isnan(state["zoned_latitude"][slots])]
        device = (state.device_id[known], state.account_id[known], state.group_id[known])
        return contained(index, known, state["zoned_longitude"][known], state["zoned_latitude"][known], device)

    def _near(self, fixes: Fixes, which: Whole, state: State) -> Near:
        found, place = self.index.touched(
            state.account_id[fixes.slot[which]],
            fixes.from_longitude[which],
            fixes.from_latitude[which],
            fixes.longitude[which],
            fixes.latitude[which],
        )
        fix = which[found]
        own = fixes.slot[fix]
        theirs = self.index.attached(place, state.device_id[own], state.account_id[own], state.group_id[own])
        place, fix = place[theirs], fix[theirs]
        inside = self.index.holds(place, fixes.longitude[fix], fixes.latitude[fix])
        through = np.zeros(len(fix), "?")
        out = ~inside & self.index.passes[place] & (fixes.time[fix] - fixes.from_time[fix] <= self._pass_gap_ms)
        rest = np.flatnonzero(out & (fixes.from_time[fix] != NAT))
        far = fix[rest]
        way_deg = np.hypot(fixes.longitude[far] - fixes.from_longitude[far], fixes.latitude[far] - fixes.from_latitude[far])
        rest = rest[self.index.reached(place[rest], fixes.longitude[far], fixes.latitude[far], way_deg)]
        through[rest] = shapely.intersects(self.index.outline[place[rest]], fixes.lines(fix[rest]))
        return Near(fix, place, inside, through)


def contained(
    index: Index, slots: NDArray[Any], longitude: Numbers, latitude: Numbers, device: tuple[NDArray[Any], ...]
) -> list[tuple[int, int]]:
    """(slot, zone's id) where a zone is for a device (its id, account and group) and holds its place."""
    if not len(index) or not len(slots):
        return []
    found, place = index.touched(device[1], longitude, latitude, longitude, latitude)
    theirs = index.attached(place, *(values[found] for values in device))
    found, place = found[theirs], place[theirs]
    inside = index.holds(place, longitude[found], latitude[found])
    pairs = zip(slots[found[inside]].tolist(), place[inside].tolist(), strict=True)
    return [(slot, zone.id) for slot, at in pairs if (zone := index.zones[at]) is not None]


def _fixes(rows: Rows, own: Slots, places: NDArray[np.intp], speed: Numbers, state: State) -> Fixes:
    columns = rows.columns
    time = columns.time[places].astype("M8[ms]")
    longitude = columns.longitude[places]
    from_longitude = settle(longitude, own, state["zoned_longitude"])
    turn = np.abs(longitude - from_longitude) > 180  # the short way, over the antimeridian
    if turn.any():
        from_longitude[turn] += np.copysign(360, longitude[turn] - from_longitude[turn])
    return Fixes(
        slot=own,
        longitude=longitude,
        latitude=columns.latitude[places],
        time=time.view("i8"),
        from_longitude=from_longitude,
        from_latitude=settle(columns.latitude[places], own, state["zoned_latitude"]),
        from_time=settle(time, own, state["zoned_time"]).view("i8"),
        received=rows.received[places].astype("M8[ms]").view("i8"),
        late=rows.late[places],
        position_id=rows.id[places],
        accuracy_m=columns.accuracy_m[places].astype("f8"),
        speed_kmh=speed,
    )


def _place_in_run(slot: Slots) -> Whole:
    rows = np.arange(len(slot))
    return np.asarray(rows - np.maximum.accumulate(np.where(first_of_run(slot), rows, 0)))


def _from_first(look: Mask, slot: Slots) -> Mask:
    """True from each device's first row that is to be looked at."""
    rows = np.arange(len(slot))
    start = np.maximum.accumulate(np.where(first_of_run(slot), rows, 0))
    return np.asarray(np.maximum.accumulate(np.where(look, rows, -1)) >= start)


class _Walk:
    """Rows that something may happen in. A cell is a fix and a zone; a zone's cells of one device follow each other."""

    def __init__(self, index: Index, fixes: Fixes, rows: Whole, near: Near, state: State, tolerance_kmh: float) -> None:
        self._index, self._fixes, self._state = index, fixes, state
        self._tolerance_kmh = tolerance_kmh
        self._rows = rows
        slot = fixes.slot[rows]
        begins = np.flatnonzero(first_of_run(slot))
        self._slots = slot[begins]  # rising: rows are by slot
        self._begin = begins
        self._count = np.diff(np.append(begins, len(rows)))
        self._near = near

    def events(self) -> list[Event]:
        self._make_pairs()
        if not len(self._pair_slot):
            return []
        self._make_cells()
        self._drop_idle()
        self._measure()
        return self._tell()

    def _make_pairs(self) -> None:
        """Pairs of a device and a zone that are worth a walk, by device: those it has a visit of, and those it touches."""
        index, near, visits = self._index, self._near, self._state.zoned.visits
        slots = [slot for slot in self._slots.tolist() if slot in visits]
        known = [slot << 32 | index.place_of[zone_id] for slot in slots for zone_id in visits[slot]]
        self._known = [visit for slot in slots for visit in visits[slot].values()]
        touched = np.flatnonzero(near.inside | near.through)
        keys = self._fixes.slot[near.fix[touched]].astype("i8") << 32 | near.place[touched]
        known_keys = np.array(known, "i8")
        self._pairs = np.unique(np.concatenate([known_keys, keys]))
        self._touched, self._touched_keys = touched, keys
        self._pair_slot = (self._pairs >> 32).astype("i4")
        self._pair_place = self._pairs & 0xFFFF_FFFF
        self._settled, self._candidate = np.zeros(len(self._pairs), "?"), np.zeros(len(self._pairs), "?")
        at = np.searchsorted(self._pairs, known_keys)
        self._settled[at] = [visit.inside for visit in self._known]
        self._candidate[at] = [visit.crossed is not None for visit in self._known]
        self._visit = np.full(len(self._pairs), -1)  # place in `_known`
        self._visit[at] = np.arange(len(at))

    def _make_cells(self) -> None:
        near, fixes = self._near, self._fixes
        device = np.searchsorted(self._slots, self._pair_slot)
        self._length = self._count[device]
        self._start = np.cumsum(self._length) - self._length
        total = int(self._length.sum())
        self._pair = np.repeat(np.arange(len(self._pairs)), self._length)
        within = np.arange(total) - self._start[self._pair]
        self._fix = self._rows[self._begin[device][self._pair] + within]
        self._inside, self._through = np.zeros(total, "?"), np.zeros(total, "?")
        touched = self._touched
        place = np.searchsorted(self._rows, near.fix[touched])
        pair = np.searchsorted(self._pairs, self._touched_keys)
        cell = self._start[pair] + place - self._begin[device[pair]]
        self._inside[cell] = near.inside[touched]
        self._through[cell] = near.through[touched]
        new = fixes.from_time[self._fix[self._start]] == NAT  # a device's first fix
        self._new = new
        self._seen = self._settled != self._candidate
        first = self._inside[self._start]
        self._settled[new], self._seen[new] = first[new], first[new]

    def _drop_idle(self) -> None:
        """Of nearly all pairs nothing is to be told or remembered."""
        index = self._index
        busy = np.add.reduceat((self._inside != self._settled[self._pair]) | self._through, self._start) > 0
        busy |= self._new | self._candidate | (self._settled & index.timed[self._pair_place])
        kept, cells = np.flatnonzero(busy), np.flatnonzero(busy[self._pair])
        self._pair_slot, self._pair_place, self._length = self._pair_slot[kept], self._pair_place[kept], self._length[kept]
        self._settled, self._candidate, self._new = self._settled[kept], self._candidate[kept], self._new[kept]
        self._visits = [None if place < 0 else self._known[place] for place in self._visit[kept].tolist()]
        zones = [index.zones[place] for place in self._pair_place.tolist()]
        self._zones: list[Zone] = [zone for zone in zones if zone is not None]
        assert len(self._zones) == len(zones)
        self._start = np.cumsum(self._length) - self._length
        self._pair = np.repeat(np.arange(len(kept)), self._length)
        self._fix, self._inside, self._through = self._fix[cells], self._inside[cells], self._through[cells]
        self._before = np.empty(len(cells), "?")
        self._before[1:] = self._inside[:-1]
        self._before[self._start] = self._seen[kept]

    def _measure(self) -> None:
        """What the walk will ask for: crossings where the side changes, distances where it is not the settled one."""
        fixes, fix, pair = self._fixes, self._fix, self._pair
        total = len(fix)
        self._crossed = fixes.time[fix].copy()
        changed = np.flatnonzero(self._inside != self._before)
        if len(changed):
            _, last = self._crossings(changed)
            self._crossed[changed] = self._moments(changed, last)
        other = (self._inside != self._settled[pair]) | self._candidate[pair]  # which time may confirm before the first fix
        rows = np.arange(total)
        since = np.maximum.accumulate(np.where(other, rows, -1)) >= self._start[pair]
        self._clear = np.zeros(total, "?")
        wanted = np.flatnonzero(since)
        if len(wanted):
            self._clear[wanted] = self._is_clear(wanted)
        self._passed: dict[int, tuple[int, int]] = {}
        passing = np.flatnonzero(self._through & ~self._before)
        passing = passing[[self._cuts_core(cell) for cell in passing.tolist()]] if len(passing) else passing
        if len(passing):
            first, last = self._crossings(passing)
            entered, left = self._moments(passing, first), self._moments(passing, last)
            for cell, *moments in zip(passing.tolist(), entered.tolist(), left.tolist(), strict=True):
                self._passed[cell] = (moments[0], moments[1])

    def _edges(self, cells: Whole) -> list[Numbers]:
        return [self._zones[pair].edges for pair in self._pair[cells].tolist()]

    def _crossings(self, cells: Whole) -> tuple[Numbers, Numbers]:
        fixes, fix = self._fixes, self._fix[cells]
        found = crossings(
            self._edges(cells),
            fixes.from_longitude[fix],
            fixes.from_latitude[fix],
            fixes.longitude[fix],
            fixes.latitude[fix],
        )
        return found[:, 0], found[:, 1]

    def _moments(self, cells: Whole, share: Numbers) -> Whole:
        """When that share of the way was gone. Where it is not known, the fix's time."""
        time, since = self._fixes.time[self._fix[cells]], self._fixes.from_time[self._fix[cells]]
        gone = np.where(np.isnan(share), 1.0, share)
        return np.asarray(since + np.rint((time - since) * gone).astype("i8"))

    def _is_clear(self, cells: Whole) -> Mask:
        fix, pairs = self._fix[cells], self._pair[cells]
        place = self._pair_place[pairs]
        band = np.fmax(self._index.border_m[place], self._fixes.accuracy_m[fix])
        band = np.where(self._inside[cells], np.minimum(band, self._index.half_depth_m[place]), band)
        longitude, latitude = self._fixes.longitude[fix], self._fixes.latitude[fix]
        clear = self._index.least_deg(place, longitude, latitude) * LEAST_DEGREE_M >= band
        near = np.flatnonzero(~clear)  # the others needn't be held against every edge
        if len(near):
            clear[near] = distance_to_border_m(self._edges(cells[near]), longitude[near], latitude[near]) >= band[near]
        return np.asarray(clear)

    def _cuts_core(self, cell: int) -> bool:
        line = self._fixes.lines(self._fix[cell : cell + 1])[0]
        return bool(shapely.intersects(self._zones[int(self._pair[cell])].core, line))

    def _tell(self) -> list[Event]:
        events: list[Event] = []
        zoned, fix, fixes = self._state.zoned, self._fix, self._fixes
        inside, clear, crossed = self._inside.tolist(), self._clear.tolist(), self._crossed.tolist()
        columns = [
            fixes.time[fix].tolist(),
            np.where(fixes.late[fix], NAT, fixes.received[fix]).tolist(),
            fixes.position_id[fix].tolist(),
            fixes.speed_kmh[fix].tolist(),
        ]
        time, received, position_id, speed = columns
        starts, lengths, slots, new = self._start.tolist(), self._length.tolist(), self._pair_slot.tolist(), self._new.tolist()
        changed: dict[int, dict[int, Visit]] = {}
        device_id = self._state.device_id
        passed = self._passed
        for pair, (zone, visit) in enumerate(zip(self._zones, self._visits, strict=True)):
            slot, start = slots[pair], starts[pair]
            if visit is None:
                at = time[start] if new[pair] else None
                visit = first_look(zone, inside=new[pair] and inside[start], at=at)
            sights = [
                Sight(
                    time[cell],
                    None if received[cell] == NAT else received[cell],
                    position_id[cell],
                    inside[cell],
                    clear[cell],
                    crossed[cell],
                    passed.get(cell) if passed else None,
                    speed[cell],
                )
                for cell in range(start, start + lengths[pair])
            ]
            after, told = walk(zone, visit, sights, self._tolerance_kmh)
            if told:
                events += to_events(zone, int(device_id[slot]), told)
            if after is not visit or new[pair]:
                changed.setdefault(slot, {})[zone.id] = after
        zoned.update(changed, self._index)
        return events


def to_events(zone: Zone, device_id: int, told: Sequence[Happening]) -> list[Event]:
    """Those within the zone's hours."""
    events = []
    for kind, time, position_id, attributes, noticed in told:
        at = moment(time)
        if zone.hours.contains(at):
            if "exit" in attributes:
                attributes = {**attributes, "exit": moment(attributes["exit"]).isoformat().replace("+00:00", "Z")}
            events.append(Event(device_id, at, kind, str(zone.id), position_id, attributes | noticed_at(at, moment(noticed))))
    return events


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def by_slot(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Zones' ids by slot."""
    found: dict[int, list[int]] = {}
    for slot, zone_id in pairs:
        found.setdefault(slot, []).append(zone_id)
    return found
