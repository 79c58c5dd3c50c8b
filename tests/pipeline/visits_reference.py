"""Zones once more, one device and one fix at a time, straight from the rules, with geographiclib: what the stage is held to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from geographiclib.geodesic import Geodesic

Place = tuple[float, float]  # longitude, latitude


@dataclass(frozen=True)
class Fix:
    """A good fix, times in seconds."""

    time: float
    longitude: float
    latitude: float
    accuracy_m: float | None = None
    speed_kmh: float | None = None

    @property
    def place(self) -> Place:
        return self.longitude, self.latitude


@dataclass(frozen=True)
class Area:
    """A zone's rings and rules."""

    name: str
    rings: Sequence[Sequence[Place]]
    depth_m: float
    border_m: float = 15
    confirm_fixes: int = 2
    confirm_s: float = 120
    dwell_s: float | None = None
    limit_kmh: float | None = None
    passes: bool = True

    def holds(self, place: Place) -> bool:
        if not self.reaches(place, place):
            return False
        x, y = place
        inside = False
        for (ax, ay), (bx, by) in self.edges():
            if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
                inside = not inside
        return inside

    def reaches(self, a: Place, b: Place) -> bool:
        """Whether the box around two places and the one around the zone have anything in common."""
        west, south, east, north = self.box
        return max(a[0], b[0]) >= west and min(a[0], b[0]) <= east and max(a[1], b[1]) >= south and min(a[1], b[1]) <= north

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        x, y = [x for x, _ in self.rings[0]], [y for _, y in self.rings[0]]
        return min(x), min(y), max(x), max(y)

    def edges(self) -> Iterator[tuple[Place, Place]]:
        for ring in self.rings:
            yield from pairwise(ring)

    def distance_m(self, place: Place) -> float:
        """To the border; negative inside."""
        nearest = min(_metres(place, point) for _, point in sorted(_nearest(place, a, b) for a, b in self.edges())[:3])
        return -nearest if self.holds(place) else nearest

    def crossed(self, a: Fix, b: Fix) -> float:
        """When the way led over the border last."""
        old = self.holds(a.place)
        assert old != self.holds(b.place)
        steps = 400
        here = max(step for step in range(steps) if self.holds(_between(a, b, step / steps)) == old)
        low, high = here / steps, (here + 1) / steps
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self.holds(_between(a, b, middle)) == old else (low, middle)
        return a.time + (b.time - a.time) * high

    def passed(self, a: Fix, b: Fix) -> float | None:
        """When the way between two fixes outside came into the zone, if it led through its core."""
        core_m = min(self.border_m, self.depth_m / 2)
        steps = 120
        if not self.reaches(a.place, b.place):
            return None
        if not any(self.holds(_between(a, b, step / steps)) for step in range(steps)):
            return None
        if all(self.distance_m(_between(a, b, step / steps)) > -core_m for step in range(steps)):
            return None
        first = min(step for step in range(steps) if self.holds(_between(a, b, step / steps)))
        low, high = (first - 1) / steps, first / steps
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (low, middle) if self.holds(_between(a, b, middle)) else (middle, high)
        return a.time + (b.time - a.time) * high


@dataclass
class Pair:
    """One vehicle and one zone."""

    area: Area
    inside: bool
    since: float
    events: list[tuple[str, float]] = field(default_factory=list)
    crossed: float | None = None
    clear: list[float] = field(default_factory=list)
    dwelt: bool = False
    over: bool = False

    def fix(self, before: Fix, fix: Fix) -> None:
        area = self.area
        if self.clear and area.confirm_s > 0 and fix.time - self.clear[0] >= area.confirm_s:
            self.confirm()
        inside = area.holds(fix.place)
        was_out = not self.inside and self.crossed is None
        if inside != self.inside:
            if self.crossed is None:
                self.crossed = area.crossed(before, fix) if area.holds(before.place) != inside else fix.time
            band = max(area.border_m, fix.accuracy_m or 0)
            metres = area.distance_m(fix.place)
            if metres <= -min(band, area.depth_m / 2) or metres >= band:
                self.clear.append(fix.time)
            if len(self.clear) >= area.confirm_fixes:
                self.confirm()
        else:
            self.crossed, self.clear = None, []
        outside = was_out and not self.inside and not inside and not area.holds(before.place)
        if area.passes and outside and fix.time - before.time <= 600 and (entered := area.passed(before, fix)) is not None:
            self.events.append(("geofencePass", entered))
        if self.inside and inside:
            self.dwell(fix.time)
            self.speed(fix)

    def confirm(self) -> None:
        assert self.crossed is not None
        if self.inside:
            self.dwell(self.crossed)
        self.events.append(("geofenceExit" if self.inside else "geofenceEnter", self.crossed))
        self.inside, self.since, self.dwelt, self.over = not self.inside, self.crossed, False, False
        self.crossed, self.clear = None, []

    def dwell(self, until: float) -> None:
        dwell_s = self.area.dwell_s
        if dwell_s is not None and not self.dwelt and until >= self.since + dwell_s:
            self.events.append(("geofenceDwell", self.since + dwell_s))
            self.dwelt = True

    def speed(self, fix: Fix) -> None:
        limit, speed = self.area.limit_kmh, fix.speed_kmh
        if limit is None or speed is None:
            return
        if speed > limit and not self.over:
            self.events.append(("deviceOverspeed", fix.time))
            self.over = True
        elif speed <= limit - 3:
            self.over = False


def visits(fixes: Iterable[Fix], areas: Sequence[Area], max_accuracy_m: float = 100) -> list[tuple[str, str, float]]:
    """(zone's name, type, seconds) of one device, sorted."""
    good = [fix for fix in fixes if fix.accuracy_m is None or fix.accuracy_m <= max_accuracy_m]
    found: list[tuple[str, str, float]] = []
    for area in areas:
        pair = Pair(area, area.holds(good[0].place), good[0].time) if good else None
        for before, fix in pairwise(good):
            assert pair is not None
            pair.fix(before, fix)
        found += [(area.name, kind, at) for kind, at in (pair.events if pair else ())]
    return sorted(found)


def _metres(a: Place, b: Place) -> float:
    return float(Geodesic.WGS84.Inverse(a[1], a[0], b[1], b[0])["s12"])


def _nearest(place: Place, a: Place, b: Place) -> tuple[float, Place]:
    """The edge's point nearest to a place, on a plane on which a degree of longitude is as short as there; and how near."""
    squeeze = math.cos(math.radians(place[1]))
    dx, dy = (b[0] - a[0]) * squeeze, b[1] - a[1]
    px, py = (place[0] - a[0]) * squeeze, place[1] - a[1]
    length = dx * dx + dy * dy
    share = 0.0 if length == 0 else max(0.0, min(1.0, (px * dx + py * dy) / length))
    return math.hypot(px - share * dx, py - share * dy), (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


def _between(a: Fix, b: Fix, share: float) -> Place:
    return a.longitude + (b.longitude - a.longitude) * share, a.latitude + (b.latitude - a.latitude) * share
