"""The towns on the pictures in mails: from the geocoder's list, in the recipient's language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dashboards.geocoder import Geocoder
from dashboards.towns import Towns
from telematics.alerts.picture import Pictures, Town
from telematics.store.database import Database

MOST = 200  # of a picture's surroundings, the largest


def pictures(database: Database, geocoder: Geocoder) -> Pictures:
    async def around(south: float, west: float, north: float, east: float, language: str) -> Sequence[Town]:
        try:
            towns = await geocoder.towns()
        except Exception:  # the geocoder has said why; a picture without towns is better than none
            return ()
        return inside(towns, south, west, north, east, language)

    return Pictures(database, around)


def inside(towns: Towns, south: float, west: float, north: float, east: float, language: str) -> list[Town]:
    """The largest first. The list is sorted by latitude."""
    first, last = np.searchsorted(towns.latitude, (south, north))
    across = (towns.longitude[first:last] - west) % 360 <= east - west  # also over the antimeridian
    found = np.flatnonzero(across) + first
    found = found[np.argsort(-towns.radius_m[found], kind="stable")][:MOST]
    names, english = towns.names.get(language, towns.names["en"]), towns.names["en"]
    russian = towns.names["ru"] if language == "kk" else english
    return [
        Town(float(towns.latitude[i]), float(towns.longitude[i]), names[i] or russian[i] or english[i], float(towns.radius_m[i]))
        for i in found
    ]
