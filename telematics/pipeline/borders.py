"""How far fixes are from borders, and where segments cross them: many pairs of a fix and a zone at once.

Borders are straight between their corners in degrees, as outlines are made (long geodesics come with corners enough). Near a fix
a degree is so many metres on WGS 84, which makes distances up to some kilometres good to a millimetre in a metre; further away
nothing but "far" is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

EQUATOR_M = 6_378_137.0  # WGS 84
FLATTENING = 1 / 298.257223563
E2 = FLATTENING * (2 - FLATTENING)
AT_ONCE = 200_000  # edges in one go: some 30 MB
TOUCH = 1e-9  # of an edge's length: a segment through a corner crosses one of the two edges that meet there


def distance_to_border_m(edges: Sequence[Numbers], longitude: Numbers, latitude: Numbers) -> Numbers:
    """Metres from each fix to the nearest of its zone's edges (rows of x, y, x, y in degrees)."""
    return _in_portions(edges, _nearest, longitude, latitude)[:, 0]


def crossings(
    edges: Sequence[Numbers], from_longitude: Numbers, from_latitude: Numbers, longitude: Numbers, latitude: Numbers
) -> Numbers:
    """Where on each segment (0: its beginning, 1: its end) its zone's border is crossed first and last. NaN: nowhere."""
    return _in_portions(edges, _first_and_last, from_longitude, from_latitude, longitude, latitude)


def _in_portions(edges: Sequence[Numbers], work: Any, *columns: Numbers) -> Numbers:
    counts = np.fromiter(map(len, edges), "i8", len(edges))
    found = np.empty((len(edges), 2))
    start = 0
    while start < len(edges):
        total = np.cumsum(counts[start:])
        end = start + max(1, int(np.searchsorted(total, AT_ONCE, "right")))
        part = counts[start:end]
        pair = np.repeat(np.arange(len(part)), part)
        first = np.cumsum(part) - part
        found[start:end] = work(np.concatenate(edges[start:end]), pair, first, *(column[start:end] for column in columns))
        start = end
    return found


def _nearest(edge: Numbers, pair: NDArray[np.int64], first: NDArray[np.int64], longitude: Numbers, latitude: Numbers) -> Numbers:
    sine = np.sin(np.radians(latitude))
    bend = 1 - E2 * sine * sine
    y_m = np.radians(EQUATOR_M * (1 - E2) / (bend * np.sqrt(bend)))[pair]
    x_m = np.radians(EQUATOR_M * np.cos(np.radians(latitude)) / np.sqrt(bend))[pair]
    x, y = longitude[pair], latitude[pair]
    ax, ay = (edge[:, 0] - x) * x_m, (edge[:, 1] - y) * y_m
    dx, dy = (edge[:, 2] - x) * x_m - ax, (edge[:, 3] - y) * y_m - ay
    length = dx * dx + dy * dy
    along = -(ax * dx + ay * dy) / np.where(length > 0, length, 1)
    along = np.minimum(np.maximum(along, 0), 1)
    ax += along * dx
    ay += along * dy
    nearest = np.sqrt(np.minimum.reduceat(ax * ax + ay * ay, first))
    return np.stack([nearest, nearest], 1)


def _first_and_last(
    edge: Numbers,
    pair: NDArray[np.int64],
    first: NDArray[np.int64],
    from_longitude: Numbers,
    from_latitude: Numbers,
    longitude: Numbers,
    latitude: Numbers,
) -> Numbers:
    sx, sy = (longitude - from_longitude)[pair], (latitude - from_latitude)[pair]
    ax, ay = edge[:, 0] - from_longitude[pair], edge[:, 1] - from_latitude[pair]
    dx, dy = edge[:, 2] - edge[:, 0], edge[:, 3] - edge[:, 1]
    across = sx * dy - sy * dx  # 0: parallel
    parallel = across == 0
    across = np.where(parallel, 1, across)
    on_segment = (ax * dy - ay * dx) / across
    on_edge = (ax * sy - ay * sx) / across
    hit = ~parallel & (on_segment >= 0) & (on_segment <= 1) & (on_edge >= -TOUCH) & (on_edge <= 1 + TOUCH)
    lowest = np.minimum.reduceat(np.where(hit, on_segment, np.inf), first)
    highest = np.maximum.reduceat(np.where(hit, on_segment, -np.inf), first)
    found = np.stack([lowest, highest], 1)
    found[np.isinf(found)] = np.nan
    return found
