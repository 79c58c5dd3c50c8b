"""What the index of zones says before anything is measured exactly, and fixes of a device in portions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import shapely

from telematics.devices import Groups, Targets
from telematics.pipeline import geofences
from telematics.pipeline.borders import distance_to_border_m
from telematics.pipeline.geofences import LEAST_DEGREE_M
from telematics.store.records import Event
from telematics.store.zones import ZoneRow
from telematics.zones import registry
from telematics.zones.registry import Index
from tests.pipeline.test_geofences import EAST_M, HOME, east, run
from tests.pipeline.visits_reference import Fix
from tests.pipeline.zones import START, circle, index_of, told, zone


def touched(index: Index, account: int, *ways: tuple[float, float, float, float]) -> list[tuple[int, int]]:
    """(number of the way, zone's id); a way is from longitude, latitude to longitude, latitude."""
    columns = np.array(ways, "f8").T
    way, place = index.touched(np.full(len(ways), account), *columns)
    return sorted((number, one.id) for number, at in zip(way.tolist(), place.tolist(), strict=True) if (one := index.zones[at]))


def theirs(number: int, account: int) -> registry.Zone:
    return circle(number, *HOME, 200, account_id=account, targets=Targets(account, True))


def test_a_way_meets_no_zones_of_other_accounts() -> None:
    """Or one account's zones over a city would make everybody slower."""
    index = index_of(*(theirs(number, account) for number, account in enumerate((3, 3, 3, 7, 12), 1)))
    here, past, far = (*HOME, *HOME), (HOME[0] - 1, HOME[1], HOME[0] + 1, HOME[1]), (20.0, 50.0, 20.1, 50.1)
    assert touched(index, 7, here, far, past) == [(0, 4), (2, 4)]
    assert touched(index, 3, far, here) == [(1, 1), (1, 2), (1, 3)]
    assert [touched(index, account, here) for account in (1, 5, 13, 1000)] == [[]] * 4
    assert touched(index.only([2, 4]), 3, here) == [(0, 2)]
    left = index.updated((), [4], Groups())
    assert (touched(left, 7, here), touched(left, 12, here)) == ([], [(0, 5)])


def test_a_way_over_the_antimeridian_stays_in_its_lane() -> None:
    edge = zone(1, shapely.box(179.9, 0, 180, 1))
    others = [zone(2, shapely.box(-180, 0, -179.9, 1), account_id=2, targets=Targets(2, True))]
    index = index_of(edge, *others)
    assert touched(index, 1, (180.2, 0.5, 179.95, 0.5)) == [(0, 1)]
    assert touched(index, 2, (-180.05, 0.5, -179.95, 0.5)) == [(0, 2)]


def test_queries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MOST_PAIRS", 7)
    index = index_of(*(theirs(number, 1) for number in range(1, 4)))
    ways = [(*HOME, *HOME)] * 11
    assert touched(index, 1, *ways) == [(way, number) for way in range(11) for number in (1, 2, 3)]
    monkeypatch.setattr(registry, "MOST_AT_A_PLACE", 2)
    assert touched(index, 1, *ways) == [(way, number) for way in range(11) for number in (1, 2)]


@pytest.mark.parametrize(
    "area",
    [
        pytest.param(circle(1, 76.9, 43.2, 300).outline, id="circle"),
        pytest.param(circle(1, 15.0, 78.0, 20_000).outline, id="far north"),
        pytest.param(shapely.box(70, 40, 80, 50).difference(shapely.box(71, 44, 77, 46)), id="wide, with a hole"),
        pytest.param(shapely.LineString([(76, 43), (76.5, 43.4), (77, 43)]).buffer(0.01), id="bent"),
        pytest.param(shapely.union(shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)), id="two parts"),
    ],
)
def test_what_is_easily_seen_is_never_more_than_the_distance(area: Any) -> None:
    one = zone(1, area)
    index = index_of(one)
    dice = np.random.default_rng(3)
    west, south, east_, north = area.bounds
    wide, high = east_ - west, north - south
    longitude = np.clip(dice.uniform(west - wide / 2, east_ + wide / 2, 4000), -180, 180)
    latitude = np.clip(dice.uniform(south - high / 2, north + high / 2, 4000), -85, 85)
    least_m = index.least_deg(np.zeros(4000, "i8") + index.place_of[1], longitude, latitude) * LEAST_DEGREE_M
    assert (least_m <= distance_to_border_m([one.edges] * 4000, longitude, latitude) + 1e-6).all()
    assert (least_m > 0).mean() > 0.3  # it is of use


@pytest.mark.parametrize(
    "outline", [b"", b"\x01", *(shapely.from_wkt(text).wkb for text in ("POLYGON EMPTY", "LINESTRING (1 1, 2 2)", "POINT (1 1)"))]
)
def test_a_zone_without_an_area_stops_nothing(outline: bytes) -> None:
    """The API lets none in, but it is the table that decides."""
    home = circle(2, *HOME, 200).outline
    rows = [
        ZoneRow(
            number, 1, "", "", True, wkb, 50.0, True, None, None, None, None, "UTC", 15.0, 2, 120.0, None, None, None, True, None,
            datetime(2026, 1, 1, tzinfo=UTC),
        )
        for number, wkb in ((1, outline), (2, home.wkb))
    ]  # fmt: skip
    zones = registry._zones(rows)
    assert [one.outline is None for one in zones] == [True, False]
    assert list(index_of(*zones).place_of) == [2]


def test_a_long_memory_in_one_batch_gives_what_it_gives_fix_by_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geofences, "AT_ONCE", 7)
    zones = [circle(number, HOME[0] + number * 1000 * EAST_M, HOME[1], 200, dwell_s=60.0) for number in range(1, 8)]
    way = [
        *east(*range(0, 8000, 90)),
        *[(1, Fix(START + place * 10, HOME[0] + place * 60 * EAST_M, HOME[1])) for place in range(50)],
    ]
    at_once, one_by_one = run([way], *zones)[0], run([[one] for one in way], *zones)[0]

    def all_told(events: list[Event]) -> list[list[tuple[str, str, float]]]:
        return [told(events, device_id) for device_id in (1, 2)]

    assert all_told(at_once) == all_told(one_by_one)
    assert len(told(at_once)) > 14
