"""Outlines of zones against geographiclib, point by point: circles, long edges, corridors, both sides of the antimeridian."""

from __future__ import annotations

import itertools
import math
import random
import time
from typing import Any

import pytest
import shapely
from geographiclib.geodesic import Geodesic

from telematics.zones.shapes import MOST_OUTLINE_VERTICES, depth_m, normal, outline, shrunk

EARTH = Geodesic.WGS84
Place = tuple[float, float]


def circle(longitude: float, latitude: float, radius_m: float) -> Any:
    return outline("circle", {"type": "Point", "coordinates": [longitude, latitude]}, radius_m)


def polygon(*rings: list[list[float]]) -> Any:
    return outline("polygon", {"type": "Polygon", "coordinates": list(rings)})


def corridor(line: list[Place], width_m: float) -> Any:
    return outline("corridor", {"type": "LineString", "coordinates": line}, None, width_m)


def there(place: Place, azimuth: float, metres: float) -> Place:
    found = EARTH.Direct(place[1], place[0], azimuth, metres)
    return found["lon2"], found["lat2"]


def apart(a: Place, b: Place) -> float:
    return float(EARTH.Inverse(a[1], a[0], b[1], b[0])["s12"])


def inside(area: Any, place: Place) -> bool:
    return bool(shapely.contains_xy(area, *place))


def to_segment(place: Place, start: Place, end: Place) -> float:
    """How far a place is from a geodesic: the distance has one valley along a stretch this short."""
    stretch = EARTH.InverseLine(start[1], start[0], end[1], end[0])
    low, high = 0.0, stretch.s13

    def far(metres: float) -> float:
        along = stretch.Position(metres)
        return apart(place, (along["lon2"], along["lat2"]))

    for _ in range(24):  # to 0.006 % of its length, and the valley's floor is flat
        third = (high - low) / 3
        if far(low + third) < far(high - third):
            high -= third
        else:
            low += third
    return min(far(low), apart(place, start), apart(place, end))


@pytest.mark.parametrize(
    ("longitude", "latitude", "radius_m"),
    [
        (76.9, 43.2, 5),
        (76.9, 43.2, 300),
        (20, 60, 1_000),
        (20, 60, 100_000),
        (-70, -80, 50_000),
        (0, 0, 500_000),
        (179.99, 65, 9_000),
    ],
)
def test_a_circle_is_within_a_thousandth_of_its_radius(longitude: float, latitude: float, radius_m: float) -> None:
    area = circle(longitude, latitude, radius_m)
    for azimuth in range(0, 360, 7):
        assert inside(area, there((longitude, latitude), azimuth, radius_m * 0.999)), azimuth
        assert not inside(area, there((longitude, latitude), azimuth, radius_m * 1.001)), azimuth
    assert 64 <= shapely.get_num_coordinates(area) <= 100
    assert depth_m(area) == pytest.approx(radius_m, rel=0.05)


def test_long_edges_follow_the_earth() -> None:
    """10° along the 60th parallel: the shortest way runs 10 km further north than a straight line on the map."""
    corners = [(20.0, 60.0), (30.0, 60.0), (30.0, 55.0), (20.0, 55.0)]
    area = polygon([list(corner) for corner in corners])
    for start, end in itertools.pairwise([*corners, corners[0]]):
        stretch = EARTH.InverseLine(start[1], start[0], end[1], end[0])
        for part in range(1, 40):
            along = stretch.Position(stretch.s13 * part / 40)
            place = (along["lon2"], along["lat2"])
            assert inside(area, there(place, along["azi2"] + 90, 1.0))
            assert not inside(area, there(place, along["azi2"] - 90, 1.0))
    assert inside(area, (25, 60.09))
    assert shapely.is_valid(area)


def test_holes_are_outside() -> None:
    area = polygon(
        [[76, 43], [77, 43], [77, 44], [76, 44]],
        [[76.4, 43.4], [76.6, 43.4], [76.6, 43.6]],
        [[76.1, 43.1], [76.2, 43.1], [76.2, 43.2]],
    )
    assert [inside(area, place) for place in ((76.3, 43.3), (76.58, 43.5), (76.18, 43.15), (75.9, 43.5))] == [
        True,
        False,
        False,
        False,
    ]


CROOKED: list[Place] = [(76.9, 43.2), (76.93, 43.21), (76.9, 43.2101), (76.9, 43.25), (76.96, 43.25)]


@pytest.mark.parametrize(
    ("line", "width_m"),
    [
        pytest.param([(76.9, 43.2), (76.95, 43.22)], 50.0, id="straight"),
        pytest.param(CROOKED, 100.0, id="sharp and right corners"),
        pytest.param(CROOKED, 2_000.0, id="wider than its stretches are long"),
        pytest.param([(20.0, 60.0), (20.5, 60.0), (20.5, 60.2)], 30.0, id="at 60° north"),
        pytest.param([(20.0, 60.0), (22.0, 60.0)], 20_000.0, id="wide and long, at 60° north"),
        pytest.param([(179.9, 65.0), (-179.9, 65.05), (179.95, 65.1)], 400.0, id="over the antimeridian and back"),
        pytest.param([(76.9, 43.2), (76.95, 43.2), (76.9, 43.2)], 60.0, id="there and back"),
    ],
)
def test_a_corridor_s_border_is_half_its_width_from_the_line(line: list[Place], width_m: float) -> None:
    area, half_m = corridor(line, width_m), width_m / 2
    assert shapely.is_valid(area)
    border = [place for place in shapely.get_coordinates(area).tolist() if abs(place[0]) != 180]
    for place in random.Random(1).sample(border, min(len(border), 15)):
        nearest_m = min(to_segment((place[0], place[1]), *pair) for pair in itertools.pairwise(line))
        assert nearest_m == pytest.approx(half_m, rel=0.01)
    for middle in line:  # no gaps at corners, whole ends: all around each point of the line
        for azimuth in range(0, 360, 10):
            assert inside(area, there(middle, azimuth, 0.98 * half_m)), (middle, azimuth)
        for azimuth in range(0, 360, 40):
            beyond = there(middle, azimuth, 1.02 * half_m)
            if min(to_segment(beyond, *pair) for pair in itertools.pairwise(line)) > 1.01 * half_m:
                assert not inside(area, beyond), (middle, azimuth)
    for start, end in itertools.pairwise(line):
        stretch = EARTH.InverseLine(start[1], start[0], end[1], end[0])
        for part in range(1, 12):
            along = stretch.Position(stretch.s13 * part / 12)
            for side in (-90, 90):
                assert inside(area, there((along["lon2"], along["lat2"]), along["azi2"] + side, 0.99 * half_m))


def test_a_road_of_many_points_has_no_cracks() -> None:
    wander, line = random.Random(3), [(76.9, 43.2)]
    for _ in range(400):
        azimuth = wander.gauss(90, 40)
        line.append(there(line[-1], azimuth, wander.uniform(5, 200)))
    area = corridor(line, 50)
    assert area.geom_type == "Polygon"
    for start, end in itertools.pairwise(line):
        stretch = EARTH.InverseLine(start[1], start[0], end[1], end[0])
        for part in (0.0, 0.31, 0.77):
            along = stretch.Position(stretch.s13 * part)
            for side, off_m in ((-90, 24.5), (90, 24.5), (0, 0.0)):
                assert inside(area, there((along["lon2"], along["lat2"]), along["azi2"] + side, off_m))


def test_a_ring_road_keeps_its_middle() -> None:
    line = [there((76.9, 43.2), azimuth, 3_000) for azimuth in range(0, 361, 10)]
    area = corridor(line, 200)
    assert not inside(area, (76.9, 43.2))
    assert len(area.interiors) == 1


@pytest.mark.parametrize(
    "area",
    [
        pytest.param(circle(179.99, 66, 5_000), id="circle"),
        pytest.param(
            polygon([[179, 65], [-179, 65], [-179, 67], [179, 67]], [[179.5, 65.5], [-179.5, 65.5], [-179.5, 66.5]]), id="polygon"
        ),
        pytest.param(corridor([(179.5, 66.0), (-179.5, 66.1)], 3_000), id="corridor"),
        pytest.param(
            outline(
                "polygon",
                {
                    "type": "MultiPolygon",
                    "coordinates": [
                        [[[179, 65], [180, 65], [180, 66], [179, 66]]],
                        [[[-180, 65], [-179, 65], [-179, 66], [-180, 66]]],
                    ],
                },
            ),
            id="cut already, as RFC 7946 has it",
        ),
    ],
)
def test_an_area_over_the_antimeridian_is_cut_there(area: Any) -> None:
    assert area.geom_type == "MultiPolygon"
    assert shapely.is_valid(area)
    west, _, east, _ = area.bounds
    assert (west, east) == (-180, 180)
    assert all(part.bounds[2] - part.bounds[0] < 2 for part in area.geoms)
    ring = [[179.0, 60.0], [-179.0, 60.0], [-179.0, 70.0], [179.0, 70.0]]
    assert shapely.covers(polygon(ring), area)


def test_the_cut_is_no_border() -> None:
    area = circle(180, 66, 5_000)
    core = shrunk(area, 1_000)
    assert depth_m(area) == pytest.approx(5_000, rel=0.01)
    for azimuth in range(7, 360, 15):
        assert inside(core, there((180, 66), azimuth, 3_950))
        assert not inside(core, there((180, 66), azimuth, 4_050))


def test_a_longitude_past_180_is_the_same_meridian() -> None:
    ring = [[179, 65], [181, 65], [181, 67], [179, 67]]
    assert polygon(ring).equals(polygon([[179, 65], [-179, 65], [-179, 67], [179, 67]]))
    assert normal("circle", {"type": "Point", "coordinates": [190, 5]}) == {"type": "Point", "coordinates": (-170, 5)}


def test_a_border_that_crosses_itself_is_mended() -> None:
    """A loop of a metre in a border that somebody walked must not refuse the rest."""
    loop = polygon([[76, 43], [77, 43], [77, 43.5], [77.00001, 43.50001], [77.00001, 43.5], [77, 43.50001], [77, 44], [76, 44]])
    assert shapely.is_valid(loop)
    assert inside(loop, (76.5, 43.5))
    bowtie = polygon([[0, 0], [1, 1], [1, 0], [0, 1]])
    assert [inside(bowtie, place) for place in ((0.2, 0.5), (0.8, 0.5), (0.5, 0.9))] == [True, True, False]


SMALL = [[76.0, 43.0], [76.01, 43.0], [76.01, 43.01], [76.0, 43.01]]
HOLE = [[76.0049, 43.0049], [76.0051, 43.0049], [76.005, 43.0051]]


@pytest.mark.parametrize(
    ("area", "metres"),
    [
        pytest.param(polygon([[76, 43], [76.01, 43], [76.01, 43.02], [76, 43.02]]), 406.6, id="rectangle: half its shorter side"),
        pytest.param(corridor([(76.9, 43.2), (77.9, 43.5)], 50), 25, id="corridor: half its width"),
        pytest.param(corridor([(20, 60), (60, 55)], 50), 25, id="corridor of 2,400 km"),
        pytest.param(circle(20, 60, 80), 80, id="circle"),
        pytest.param(polygon(SMALL, HOLE), 284.9, id="with a hole in its middle"),
    ],
)  # fmt: skip
def test_depth(area: Any, metres: float) -> None:
    assert depth_m(area) == pytest.approx(metres, rel=0.03)


@pytest.mark.parametrize(("metres", "left"), [(20, True), (24, True), (26, False)])
def test_shrunk(metres: float, left: bool) -> None:
    core = shrunk(corridor([(76.9, 43.2), (77.0, 43.2)], 50), metres)
    assert inside(core, (76.95, 43.20001)) is left
    assert core.is_empty is not left


THIRDS = [[[[x, 0], [x + 1, 0], [x + 1, 1]]] for x in (0, 120, -120)]
ZIGZAG = [[x / 1e4, x % 7] for x in range(2_001)]
LINE: Any = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}


@pytest.mark.parametrize(
    ("kind", "geometry", "radius_m", "width_m", "why"),
    [
        ("square", {}, None, None, "one of circle, polygon, corridor"),
        ("circle", LINE, 5, None, "needs a GeoJSON geometry of type Point"),
        ("circle", {"type": "Point", "coordinates": [0, 86]}, 5, None, "end at 85"),
        ("circle", {"type": "Point", "coordinates": [0, 84]}, 200_000, None, "end at 85"),
        ("circle", {"type": "Point", "coordinates": [5, 95]}, 5, None, "in this order"),
        ("circle", {"type": "Point", "coordinates": [math.nan, 0]}, 5, None, "numbers in degrees"),
        ("circle", {"type": "Point", "coordinates": [10**400, 0]}, 5, None, "numbers in degrees"),
        ("circle", {"type": "Point", "coordinates": [True, 0]}, 5, None, "numbers in degrees"),
        ("circle", {"type": "Point", "coordinates": "0 0"}, 5, None, "longitude, latitude"),
        ("circle", {"type": "Point", "coordinates": [0, 0]}, None, None, "radius"),
        ("circle", {"type": "Point", "coordinates": [0, 0]}, math.inf, None, "radius"),
        ("circle", {"type": "Point", "coordinates": [0, 0]}, math.nan, None, "radius"),
        ("circle", {"type": "Point", "coordinates": [0, 0]}, 0.5, None, "radius"),
        ("circle", {"type": "Point", "coordinates": [0, 0]}, 600_000, None, "radius"),
        ("corridor", LINE, None, None, "width"),
        ("corridor", LINE, None, 200_000, "width"),
        ("corridor", {"type": "LineString", "coordinates": [[0, 0], [0, 0]]}, None, 50, "two different points"),
        ("corridor", {"type": "LineString", "coordinates": [[0, 0], [100, 0], [0, 20], [100, 40]]}, None, 5_000, "10000 km long"),
        ("corridor", {"type": "LineString", "coordinates": [[0, 60], [80, 60]]}, None, 2, "too long for its detail"),
        ("polygon", {"type": "Polygon", "coordinates": []}, None, None, "isn't empty"),
        ("polygon", {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}, None, None, "three different points"),
        ("polygon", {"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [0, 2]]]}, None, None, "no area"),
        ("polygon", {"type": "Polygon", "coordinates": [[[0, 80], [90, 80], [180, 80], [-90, 80]]]}, None, None, "around"),
        ("polygon", {"type": "MultiPolygon", "coordinates": THIRDS}, None, None, "180° wide"),
        ("polygon", {"type": "Polygon", "coordinates": [ZIGZAG]}, None, None, "at most 2000 points"),
    ],
)  # fmt: skip
def test_what_can_t_be_an_area_is_refused(kind: str, geometry: Any, radius_m: Any, width_m: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        outline(kind, geometry, radius_m, width_m)


def test_what_would_cost_much_is_bounded() -> None:
    chance = random.Random(7)
    tangle = [[chance.uniform(76, 76.01), chance.uniform(43, 43.01)] for _ in range(1_999)]
    began = time.process_time()
    for kind, geometry in (
        ("polygon", {"type": "Polygon", "coordinates": [tangle]}),
        ("corridor", {"type": "LineString", "coordinates": tangle}),
        ("polygon", {"type": "MultiPolygon", "coordinates": [[tangle[at : at + 4]] for at in range(0, 1_900, 4)]}),
    ):
        with pytest.raises(ValueError, match="cross each other more than 200 times"):
            outline(kind, geometry, None, 5)
    assert time.process_time() - began < 5  # about 0.3 s; without the bound half a minute


BACK_AND_FORTH = [[76 + x % 2 / 10, 43.0] for x in range(150)]
CLOSE = [[76 + x / 1e5, 43 + x % 3 / 1e5] for x in range(2_000)]
AGAIN = [[[[76.0, 43.0], [76.1, 43.0], [76.1, 43.1]]]] * 480


@pytest.mark.parametrize(
    ("kind", "geometry"),
    [
        pytest.param("corridor", {"type": "LineString", "coordinates": BACK_AND_FORTH}, id="there and back"),
        pytest.param("corridor", {"type": "LineString", "coordinates": CLOSE}, id="wide, with points close together"),
        pytest.param("polygon", {"type": "MultiPolygon", "coordinates": AGAIN}, id="the same again and again"),
    ],
)
def test_what_looks_bad_but_isn_t_costs_little(kind: str, geometry: Any) -> None:
    began = time.process_time()
    area = outline(kind, geometry, None, 100_000)
    assert time.process_time() - began < 8  # about a second; piece by piece it would be a minute
    assert inside(area, (76.05, 43.001))


def test_a_country_is_no_trouble() -> None:
    russia = polygon([[27, 50], [150, 45], [-170, 65], [100, 78], [30, 70]])
    assert russia.geom_type == "MultiPolygon"
    assert shapely.get_num_coordinates(russia) < MOST_OUTLINE_VERTICES
    places = ((100.0, 75.0), (-175.0, 64.8), (-160.0, 66.0), (76.9, 43.2))
    assert [inside(russia, place) for place in places] == [True, True, False, False]
