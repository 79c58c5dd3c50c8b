"""Which points of two sets are within some metres of each other, without trying all pairs.

Points are sorted by set, band of latitude (as high as the reach) and longitude, in one number each. What is near a point then is
in three stretches of that order, one for each band, found by bisection; how many candidates that makes is known before any of
them is looked at, so that a set can be refused more than its share. All sets of all rules go in one search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telematics.geo import EARTH_RADIUS_M, distance_m

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_SETS = 2**19  # whose numbers, bands and longitudes fit into 63 bits
BANDS, COLUMNS = 2**20, 2**24
LEAST_REACH_M = 25.0  # lower bands are no better, and would be too many
AT_ONCE = 500_000  # candidates looked at together: some 40 MB


@dataclass(frozen=True, slots=True)
class Points:
    """Parallel arrays; `of` is the set a point belongs to."""

    of: Ints
    latitude: Floats
    longitude: Floats

    def __len__(self) -> int:
        return len(self.of)


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs as places in the two sets of points, and the sets where candidates were left out."""

    first: Ints
    second: Ints
    cut: Ints


def near(first: Points, second: Points, reach_m: Floats, most: int) -> Found:
    """Pairs of points of the same set that are within its reach; of each set at most `most` candidates are looked at, some two
    for a pair. Points without a place (NaN) are near nothing."""
    height = np.degrees(np.maximum(reach_m, LEAST_REACH_M) / EARTH_RADIUS_M) * 1.001
    order, keys = _sorted(second, height)
    origin, start, end = _stretches(first, height, keys)
    end, cut = _bounded(first.of[origin], start, end, most)
    pairs = [(np.zeros(0, "i8"), np.zeros(0, "i8"))]
    for some in _portions(end - start):
        which, behind = _expanded(start[some], end[some])
        a, b = origin[some][which], order[behind]
        apart = distance_m(first.latitude[a], first.longitude[a], second.latitude[b], second.longitude[b])
        close = apart <= reach_m[first.of[a]]
        pairs.append((a[close], b[close]))
    return Found(np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs]), cut)


def _sorted(points: Points, height: Floats) -> tuple[Ints, Ints]:
    placed = np.flatnonzero(~np.isnan(points.latitude) & ~np.isnan(points.longitude))
    band = np.floor((points.latitude[placed] + 90) / height[points.of[placed]]).astype("i8")
    keys = _key(points.of[placed], band, points.longitude[placed])
    order = np.argsort(keys, kind="stable")
    return placed[order], keys[order]


def _key(of: Ints, band: Ints, longitude: Floats) -> Ints:
    column = np.clip(np.floor((longitude + 180) / 360 * (COLUMNS - 1)), 0, COLUMNS - 1).astype("i8")
    return np.asarray((of * BANDS + np.clip(band, 0, BANDS - 1)) * COLUMNS + column)


def _stretches(points: Points, height: Floats, keys: Ints) -> tuple[Ints, Ints, Ints]:
    """(place in points, start, end): where in the sorted keys something near a point may be."""
    placed = np.flatnonzero(~np.isnan(points.latitude) & ~np.isnan(points.longitude))
    of, latitude, longitude = points.of[placed], points.latitude[placed], points.longitude[placed]
    high = height[of]
    band = np.floor((latitude + 90) / high).astype("i8")
    # the widest that a circle gets in longitude: asin(sin r / cos latitude); about a pole it is all the way round
    sine = np.sin(np.radians(high)) / np.maximum(np.cos(np.radians(latitude)), 1e-9)
    wide = np.where((sine >= 1) | (high >= 90), 360.0, np.degrees(np.arcsin(np.clip(sine, 0, 1))) * 1.001 + 1e-9)
    low, up = np.maximum(longitude - wide, -180), np.minimum(longitude + wide, 180)
    origins, starts, ends = [], [], []

    def add(which: Ints, west: Floats, east: Floats) -> None:
        for step in (-1, 0, 1):
            inside = (band[which] + step >= 0) & (band[which] + step < BANDS)
            mine = which[inside]
            origins.append(placed[mine])
            starts.append(np.searchsorted(keys, _key(of[mine], band[mine] + step, west[inside]), "left"))
            ends.append(np.searchsorted(keys, _key(of[mine], band[mine] + step, east[inside]), "right"))

    add(np.arange(len(placed)), low, up)
    beyond = np.flatnonzero((longitude - wide < -180) & (wide < 180))  # what is left over goes on at the other edge of the map
    add(beyond, (longitude - wide + 360)[beyond], np.full(len(beyond), 180.0))
    beyond = np.flatnonzero((longitude + wide > 180) & (wide < 180))
    add(beyond, np.full(len(beyond), -180.0), (longitude + wide - 360)[beyond])
    return np.concatenate(origins), np.concatenate(starts), np.concatenate(ends)


def _bounded(of: Ints, start: Ints, end: Ints, most: int) -> tuple[Ints, Ints]:
    """Ends such that no set has more than `most` candidates, and the sets for which that took something away."""
    count = end - start
    total = np.bincount(of, count, minlength=1)
    cut = np.flatnonzero(total > most)
    if len(cut):
        end = end.copy()
        for one in cut.tolist():
            mine = np.flatnonzero(of == one)
            left = np.maximum(most - (np.cumsum(count[mine]) - count[mine]), 0)
            end[mine] = start[mine] + np.minimum(count[mine], left)
    return end, cut.astype("i8")


def _portions(count: Ints) -> Iterator[NDArray[np.intp]]:
    """Places of stretches that together have about AT_ONCE candidates; a stretch is bounded by its set."""
    some = np.flatnonzero(count > 0)
    if len(some):
        portion = np.cumsum(count[some]) // AT_ONCE
        yield from np.split(some, np.flatnonzero(np.diff(portion)) + 1)


def _expanded(start: Ints, end: Ints) -> tuple[NDArray[Any], NDArray[Any]]:
    """Every number from each start to its end, and which stretch it is of."""
    count = end - start
    which = np.repeat(np.arange(len(start)), count)
    behind = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count) + start[which]
    return which, behind
