"""The towns on the offline base map: from the geocoder's list, in the viewer's language, by cells of 10 degrees.

A map asks for the cells it shows, and for "large": the towns of the whole world that are shown from afar.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from dashboards.towns import Towns

CELL_DEG = 10
LARGE_PEOPLE = 100_000
MOST = 3_000  # in a cell; the densest, around the Rhine, has some more, of which the smallest are left out
CELL = re.compile(r"(-?\d{1,2})_(-?\d{1,2})")

Row = tuple[float, float, str, int]


def towns_of(towns: Towns, cell: str, language: str) -> list[Row] | None:
    """Longitude, latitude, name and people of a cell's towns, the largest first. None: there is no such cell."""
    people = np.square((towns.radius_m - 1000) / 8)  # how towns.py made the radius
    inside = _inside(towns, people, cell)
    if inside is None:
        return None
    chosen = np.flatnonzero(inside)
    chosen = chosen[np.argsort(-people[chosen], kind="stable")]
    if cell != "large":
        chosen = chosen[:MOST]
    names, english = towns.names.get(language, towns.names["en"]), towns.names["en"]
    russian = towns.names["ru"] if language == "kk" else english
    return [
        (
            round(float(towns.longitude[i]), 3),
            round(float(towns.latitude[i]), 3),
            names[i] or russian[i] or english[i],
            round(float(people[i])),
        )
        for i in chosen
    ]


def _inside(towns: Towns, people: NDArray[np.float32], cell: str) -> NDArray[np.bool_] | None:
    large = people >= LARGE_PEOPLE
    if cell == "large":
        return large
    parts = CELL.fullmatch(cell)
    if parts is None:
        return None
    x, y = (int(part) for part in parts.groups())
    there = (np.floor(towns.longitude / CELL_DEG) == x) & (np.floor(towns.latitude / CELL_DEG) == y)
    return np.asarray(there & ~large)
