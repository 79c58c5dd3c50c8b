"""Stops and trips of a track.

A vehicle stands from the first report below `stop_kmh` until the first above `start_kmh` (or until it turns up somewhere else),
if that lasts `stop_s`; between two stops it is on a trip. A "trip" that goes nowhere is the noise of a parked receiver, and its
stops are one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import msgspec

from telematics.config import MotionSettings
from telematics.geo import distance_m

ELSEWHERE_M = 500.0  # standing, and yet that far from where it began to stand: it was driven while nothing was heard
NOWHERE_M = 100.0  # trips shorter than that, as the crow flies and by the way, are noise


class Point(msgspec.Struct, frozen=True, gc=False):
    """A row of `track.sql`."""

    id: int
    time: datetime
    latitude: float
    longitude: float
    speed_kmh: float | None
    motion: bool | None
    distance_m: float
    odometer_m: float | None
    fuel_l: float | None
    engine_hours_s: float | None


class Break(msgspec.Struct, frozen=True):
    """A row of `breaks.sql`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Leg:
    """points[first] to points[last], both included; a stop ends, and a trip begins, with the first report of driving."""

    first: int
    last: int


def parts(points: Sequence[Point], breaks: Sequence[Break]) -> list[Sequence[Point]]:
    """A track, cut where the device was blocked or unblocked: what it did between nobody kept, so that no trip and no stop goes
    on over it."""
    edges = [0, *(bisect_left(points, one.at, key=lambda point: point.time) for one in breaks), len(points)]
    return [points[first:end] for first, end in pairwise(edges) if end > first]


def stops(points: Sequence[Point], motion: MotionSettings) -> list[Leg]:
    """In order of time."""
    joined: list[Leg] = []
    for leg in _standing(points, motion):
        if joined and _goes_nowhere(points, joined[-1], leg):
            joined[-1] = Leg(joined[-1].first, leg.last)
        else:
            joined.append(leg)
    return [leg for leg in joined if _seconds(points, leg) >= motion.stop_s]


def trips(points: Sequence[Point], motion: MotionSettings) -> list[Leg]:
    """What lies between the stops, in order of time."""
    if len(points) < 2:
        return []
    edges = [0, *(edge for leg in stops(points, motion) for edge in (leg.first, leg.last)), len(points) - 1]
    between = [Leg(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True)]
    return [leg for leg in between if leg.last > leg.first and way_m(points, leg) >= NOWHERE_M]


def way_m(points: Sequence[Point], leg: Leg) -> float:
    return sum(point.distance_m for point in points[leg.first + 1 : leg.last + 1])


def _standing(points: Sequence[Point], motion: MotionSettings) -> Iterator[Leg]:
    first: int | None = None
    for place, point in enumerate(points):
        stands = _stands(point, motion, stood=first is not None)
        if first is not None and _apart_m(points[first], point) > ELSEWHERE_M:
            yield Leg(first, place - 1 if stands else place)
            first = place if stands else None
        elif first is None and stands:
            first = place
        elif first is not None and not stands:
            yield Leg(first, place)
            first = None
    if first is not None:
        yield Leg(first, len(points) - 1)


def _stands(point: Point, motion: MotionSettings, *, stood: bool) -> bool:
    """Between the two speeds it goes on with what it did."""
    if point.speed_kmh is None:
        return not point.motion if point.motion is not None else stood
    if point.speed_kmh < motion.stop_kmh:
        return True
    return stood and point.speed_kmh < motion.start_kmh


def _goes_nowhere(points: Sequence[Point], before: Leg, after: Leg) -> bool:
    return (
        _apart_m(points[before.first], points[after.first]) < NOWHERE_M
        and way_m(points, Leg(before.last, after.first)) < NOWHERE_M
    )


def _apart_m(a: Point, b: Point) -> float:
    if abs(a.latitude - b.latitude) < 0.0005 and abs(a.longitude - b.longitude) < 0.0005:
        return 0.0  # within 80 m: most reports of a parked vehicle, and cheaper than a cosine
    return float(distance_m(a.latitude, a.longitude, b.latitude, b.longitude))


def _seconds(points: Sequence[Point], leg: Leg) -> float:
    return (points[leg.last].time - points[leg.first].time).total_seconds()


def fastest_kmh(points: Iterable[Point]) -> float:
    return max((point.speed_kmh or 0.0 for point in points), default=0.0)


def spent_l(points: Sequence[Point]) -> float:
    """Fuel that went, refuelling left out."""
    levels = [point.fuel_l for point in points if point.fuel_l is not None]
    return sum(max(0.0, before - after) for before, after in pairwise(levels))


def first_and_last(values: Iterable[float | None]) -> tuple[float, float]:
    """Of those that are known; 0 and 0 when none is."""
    known = [value for value in values if value is not None]
    return (known[0], known[-1]) if known else (0.0, 0.0)
