"""Who is near whom once more: all pairs, one at a time, straight from the rules. What the vectorised are held to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from telematics.devices import Device, Groups
from telematics.store.records import Proximity
from tests.pipeline.reference import metres


@dataclass(frozen=True)
class Fix:
    """A vehicle's newest; times in seconds."""

    latitude: float
    longitude: float
    time: float
    speed_kmh: float = 0.0
    stands: bool = False


@dataclass
class Known:
    near: bool = False
    since: float | None = None
    changing: float | None = None


@dataclass
class AllPairs:
    proximities: Sequence[Proximity]
    devices: Sequence[Device]
    groups: Groups = field(default_factory=Groups)
    known: dict[tuple[int, int, int], Known] = field(default_factory=dict)
    speed: dict[int, tuple[float, float]] = field(default_factory=dict)  # time of the fix, smoothed
    looks: int = 0

    def look(self, fixes: Mapping[int, Fix], now: float) -> list[tuple[int, int, int, bool, float]]:
        """(proximity, vehicle, partner, near, time) of those to be told."""
        for device_id, fix in fixes.items():
            before = self.speed.get(device_id)
            if before is None:
                self.speed[device_id] = fix.time, fix.speed_kmh
            elif fix.time != before[0]:
                weight = 1 - math.exp(-(fix.time - before[0]) / 60)
                self.speed[device_id] = fix.time, before[1] + weight * (fix.speed_kmh - before[1])
        told = []
        for proximity in self.proximities:
            for device_id, partner_id in self.pairs(proximity):
                at = self.pair(proximity, device_id, partner_id, fixes, now)
                if at is not None:
                    pair = self.known[proximity.id, device_id, partner_id]
                    told.append((proximity.id, device_id, partner_id, pair.near, at))
        self.looks += 1
        return sorted(told)

    def pairs(self, proximity: Proximity) -> Iterator[tuple[int, int]]:
        who = [device.id for device in self.devices if self.is_of(device, proximity.device_id, proximity.group_id)]
        whom = [device.id for device in self.devices if self.is_of(device, proximity.to_device_id, proximity.to_group_id)]
        if proximity.to_latitude is not None:
            whom = [0]
        for one in who:
            for other in whom:
                twice = one in whom and other in who and one > other
                if one != other and not twice:
                    yield one, other

    def is_of(self, device: Device, device_id: int | None, group_id: int | None) -> bool:
        return device.id == device_id or (group_id is not None and group_id in self.groups.of(device))

    def pair(self, proximity: Proximity, device_id: int, partner_id: int, fixes: Mapping[int, Fix], now: float) -> float | None:
        pair = self.known.setdefault((proximity.id, device_id, partner_id), Known())
        one, two = fixes.get(device_id), fixes.get(partner_id)
        if partner_id == 0 and one is not None:
            assert proximity.to_latitude is not None
            assert proximity.to_longitude is not None
            two = Fix(proximity.to_latitude, proximity.to_longitude, one.time, stands=True)
        if one is not None and two is not None:
            apart = metres((one.latitude, one.longitude), (two.latitude, two.longitude))
            close, away = apart <= proximity.enter_m, apart > proximity.exit_m
            if proximity.minutes is not None:
                takes = apart * 1.3 / (max(self.speed[device_id][1], 20) / 3.6) / 60
                close, away = close or takes <= proximity.minutes, away and takes > 1.5 * proximity.minutes
            time = max(one.time, two.time)
            if self.looks == 0:
                if close:
                    pair.near, pair.since = True, time
                return None
            believed = time - min(one.time, two.time) <= proximity.partner_age_s
            if believed and (away if pair.near else close):
                pair.changing = time if pair.changing is None else pair.changing
            elif believed or not (one.stands and two.stands):
                pair.changing = None
            if pair.changing is not None:
                at, due = pair.changing, pair.changing + proximity.min_s
                if not pair.near and pair.since is not None:
                    at, due = (max(value, pair.since + proximity.cooldown_s) for value in (at, due))
                if (believed and time >= due) or (one.stands and two.stands and now >= due):
                    pair.near, pair.since, pair.changing = not pair.near, at, None
                    return at
        return None
