"""What is remembered of vehicles and zones: a `Visit` for each pair where the vehicle is in the zone or on its border, and none
for the others. A sum over each vehicle's zones stands in an array beside, so that a batch sees by one comparison that nothing
changed.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from telematics.pipeline.visits import Visit, dwell_due
from telematics.zones.registry import Index

NEVER = int(np.iinfo(np.int64).max)
INFINITE = float("inf")
MOST_VISITS = 1_000  # of a device in the snapshot: more zones than one place is in

_NONE: dict[int, Visit] = {}
_decoder = msgspec.json.Decoder(list[Visit])


class Zoned:
    """By slot. Arrays say what the visits of a slot add up to; `settle` keeps them so."""

    def __init__(self) -> None:
        self.visits: dict[int, dict[int, Visit]] = {}  # slot → zone id → visit
        self.mark = np.zeros(0, "u8")  # the sum of the numbers of the zones it is settled in
        self.pending = np.zeros(0, "?")  # on some zone's border
        self.due = np.zeros(0, "i8")  # ms: the next geofenceDwell
        self.ripe = np.zeros(0, "i8")  # ms: when the clock confirms a candidate
        self.limit_kmh = np.zeros(0, "f8")  # a faster row has to be looked at; the lowest of its zones' limits
        self._texts: dict[int, bytes] = {}  # visits as they are saved
        self._slots_of: dict[int, set[int]] = {}  # zone id → slots with a visit

    def grow(self, capacity: int) -> None:
        self.mark = _longer(self.mark, capacity, 0)
        self.pending = _longer(self.pending, capacity, False)
        self.due = _longer(self.due, capacity, NEVER)
        self.ripe = _longer(self.ripe, capacity, NEVER)
        self.limit_kmh = _longer(self.limit_kmh, capacity, np.inf)

    def of(self, slot: int) -> dict[int, Visit]:
        return self.visits.get(slot, {})

    def slots_of(self, zone_id: int) -> set[int]:
        """Slots that have a visit of the zone."""
        return self._slots_of.get(zone_id, set())

    def replace(self, slot: int, visits: Iterable[Visit], index: Index) -> None:
        """All of a slot's visits anew. Of those that say nothing none is kept."""
        self._keep(slot, {visit.zone_id: visit for visit in visits}, index)
        self._sum_up([slot], index)

    def update(self, changed: dict[int, dict[int, Visit]], index: Index) -> None:
        """Some visits of many slots."""
        for slot, visits in changed.items():
            known = self.visits.setdefault(slot, {})
            for zone_id, visit in visits.items():
                if _worth_keeping(visit, index):
                    if zone_id not in known:
                        self._slots_of.setdefault(zone_id, set()).add(slot)
                    known[zone_id] = visit
                elif known.pop(zone_id, None) is not None:
                    self._slots_of[zone_id].discard(slot)
            if not known:
                del self.visits[slot]
            self._texts.pop(slot, None)
        self._sum_up(list(changed), index)

    def drop(self, zone_ids: Iterable[int]) -> set[int]:
        """Forget these zones. Slots that had visits of them, which are to be summed up by `update`."""
        slots = set[int]()
        for zone_id in zone_ids:
            for slot in self._slots_of.pop(zone_id, ()):
                del self.visits[slot][zone_id]
                if not self.visits[slot]:
                    del self.visits[slot]
                self._texts.pop(slot, None)
                slots.add(slot)
        return slots

    def _keep(self, slot: int, visits: dict[int, Visit], index: Index) -> None:
        old = self.visits.pop(slot, _NONE)
        new = {zone_id: visit for zone_id, visit in visits.items() if _worth_keeping(visit, index)}
        if new:
            self.visits[slot] = new
        if old.keys() != new.keys():
            for zone_id in old.keys() - new.keys():
                self._slots_of[zone_id].discard(slot)
            for zone_id in new.keys() - old.keys():
                self._slots_of.setdefault(zone_id, set()).add(slot)
        self._texts.pop(slot, None)

    def forget(self, slot: int) -> None:
        for zone_id in self.visits.pop(slot, {}):
            self._slots_of[zone_id].discard(slot)
        self._texts.pop(slot, None)
        self.mark[slot], self.pending[slot], self.due[slot], self.ripe[slot], self.limit_kmh[slot] = (
            0,
            False,
            NEVER,
            NEVER,
            np.inf,
        )

    def clear(self) -> None:
        for slot in list(self.visits):
            self.forget(slot)

    def text(self, slot: int) -> bytes | None:
        """A slot's visits for the snapshot; None: no zone."""
        visits = self.visits.get(slot)
        if visits is None:
            return None
        text = self._texts.get(slot)
        if text is None:
            text = self._texts[slot] = msgspec.json.encode(list(visits.values())[:MOST_VISITS])
        return text

    def _sum_up(self, slots: list[int], index: Index) -> None:
        sums = [_summed(self.visits.get(slot, _NONE), index) for slot in slots]
        marks, pending, due, ripe, limits = zip(*sums, strict=True) if sums else ((),) * 5
        at = np.array(slots, "i8")
        self.mark[at] = np.array(marks, "u8")
        self.pending[at], self.due[at], self.ripe[at], self.limit_kmh[at] = pending, due, ripe, limits


def _summed(visits: dict[int, Visit], index: Index) -> tuple[int, bool, int, int, float]:
    mark, pending, due, ripe, limit = 0, False, NEVER, NEVER, INFINITE
    for zone_id, visit in visits.items():
        place = index.place_of[zone_id]
        zone = index.zones[place]
        assert zone is not None
        if visit.crossed is not None:
            pending = True
            if visit.clear_received is not None and zone.confirm_s > 0:
                ripe = min(ripe, visit.clear_received + int(zone.confirm_s * 1000))
        if visit.inside:
            mark += index.numbers[place]
            if zone.dwell_s is not None:
                dwell = dwell_due(zone, visit)
                due = due if dwell is None else min(due, dwell)
            if zone.speed_limit_kmh is not None:
                limit = min(limit, -1.0 if visit.over else zone.speed_limit_kmh)
    return mark & 0xFFFF_FFFF_FFFF_FFFF, pending, due, ripe, limit


def read_visits(text: bytes | None) -> list[Visit]:
    """As saved. What an older version wrote and this one can't read is as good as nothing."""
    if not text:
        return []
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return []


def _worth_keeping(visit: Visit, index: Index) -> bool:
    place = index.place_of.get(visit.zone_id)
    if place is None:
        return False
    if visit.inside or visit.crossed is not None:
        return True
    zone = index.zones[place]
    return zone is not None and zone.back_by is not None and visit.since is not None  # when it left may be asked for


def _longer(array: NDArray[np.generic], capacity: int, start: object) -> NDArray[np.generic]:
    longer = np.full(capacity, start, array.dtype)
    longer[: len(array)] = array
    return longer
