"""Areas on the ellipsoid: what a person draws (a point and a radius, rings, a line and a width) as polygons of longitude and
latitude.

Distances and directions are geographiclib's (WGS 84). Between two vertices of the result everything else takes a straight line
in longitude and latitude, which leaves the shortest way on the ellipsoid by up to length² · tan(latitude) / 8 earth radii: 0.9 m
for 5 km at 60° north. So long edges get vertices in between. Areas over the antimeridian are built with longitudes past 180° and
cut there at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import shapely
from geographiclib.geodesic import Geodesic
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.affinity import translate

from telematics.geo import distance_m

KINDS = ("circle", "polygon", "corridor")
MOST_VERTICES = 2_000  # drawn or imported; a district's border has a few hundred
MOST_OUTLINE_VERTICES = 20_000  # what a point is compared with
MOST_LATITUDE = 85.0  # beyond it meridians run together, and maps end
SHORTEST_M, LONGEST_RADIUS_M, LONGEST_WIDTH_M, LONGEST_LINE_M = 1.0, 500_000.0, 100_000.0, 10_000_000.0
MOST_CROSSINGS = 200  # of a border with itself, or of a corridor's line: mending takes time with their square
MOST_NEAR = 100_000  # pairs of edges that must be looked at for it: a second
SMALLEST_M2 = 1.0
WIDEST_DEG = 180.0
EDGE_M = 5_000.0
CIRCLE_VERTICES = 72  # the border is then within 0.05 % of the radius, see `_circle`
ARCS = 12  # of a quarter of a circle, at corners and ends of corridors: within 0.22 % of half the width
CHUNK_M = 300_000.0  # of a corridor in one plane
STRAIGHT = 0.002  # how far a corridor's border may be off, as part of half its width
POINT_DIGITS = 9  # 0.1 mm
EARTH = Geodesic.WGS84

Area: TypeAlias = Any  # shapely's Polygon or MultiPolygon; it comes without types
Place = tuple[float, float]  # longitude, latitude


def outline(kind: str, geometry: Mapping[str, Any], radius_m: float | None = None, width_m: float | None = None) -> Area:
    """The area in longitude and latitude, valid, cut at the antimeridian. Raises ValueError that says what to do."""
    clean = normal(kind, geometry)
    if kind == "circle":
        area = _circle(clean["coordinates"], _length(radius_m, "radius", LONGEST_RADIUS_M))
    elif kind == "corridor":
        area = _corridor(clean["coordinates"], _length(width_m, "width", LONGEST_WIDTH_M))
    else:
        area = _polygons([clean["coordinates"]] if clean["type"] == "Polygon" else clean["coordinates"])
    return _whole(area)


def normal(kind: str, geometry: Mapping[str, Any]) -> dict[str, Any]:
    """GeoJSON as it is stored: longitudes within ±180°, rings closed, no heights. Raises ValueError that says what to do."""
    types = {"circle": ("Point",), "polygon": ("Polygon", "MultiPolygon"), "corridor": ("LineString",)}.get(kind)
    if types is None:
        raise ValueError(f"a zone's kind is one of {', '.join(KINDS)}")
    if not isinstance(geometry, Mapping) or geometry.get("type") not in types:
        raise ValueError(f"a {kind} needs a GeoJSON geometry of type {' or '.join(types)}")
    count = _Count(MOST_VERTICES)
    coordinates = geometry.get("coordinates")
    if kind == "circle":
        return {"type": "Point", "coordinates": _place(coordinates)}
    if kind == "corridor":
        line = list(_distinct(_places(coordinates, count)))
        if len(line) < 2:
            raise ValueError("a corridor's line has at least two different points")
        return {"type": "LineString", "coordinates": line}
    if geometry["type"] == "Polygon":
        return {"type": "Polygon", "coordinates": _rings(coordinates, count)}
    return {"type": "MultiPolygon", "coordinates": [_rings(rings, count) for rings in _listed(coordinates, "a MultiPolygon")]}


def depth_m(area: Area) -> float:
    """The radius of the largest circle inside: how far its middle is from its border. In a plane at its middle's scale: to a
    percent for areas of a few degrees."""
    return max(_depth_m(part) for part in _parts(_joined(area)))


def shrunk(area: Area, metres: float) -> Area:
    """What of the area is at least so far within its border; may be empty. In a plane at each part's scale."""
    inner = [Frame.of(part).shrunk(part, metres) for part in _parts(_joined(area))]
    return _cut(shapely.union_all(inner))


class Frame:
    """A plane in metres that touches the ellipsoid at one latitude: right for what is near, and cheap."""

    def __init__(self, longitude: float, latitude: float) -> None:
        sine = math.sin(math.radians(latitude))
        flat = EARTH.f * (2 - EARTH.f)
        root = math.sqrt(1 - flat * sine * sine)
        north_m = math.radians(EARTH.a * (1 - flat) / root**3)
        east_m = math.radians(EARTH.a / root * math.cos(math.radians(latitude)))
        self._middle = np.array((longitude, latitude))
        self._scale = np.array((east_m, north_m))

    @classmethod
    def of(cls, area: Area) -> Frame:
        west, south, east, north = area.bounds
        return cls((west + east) / 2, (south + north) / 2)

    def metres(self, area: Any) -> Any:
        return shapely.transform(area, lambda points: (points - self._middle) * self._scale)

    def degrees(self, area: Any) -> Any:
        return shapely.transform(area, lambda points: points / self._scale + self._middle)

    def shrunk(self, area: Polygon, metres: float) -> Any:
        return self.degrees(shapely.buffer(self.metres(area), -metres, join_style="mitre"))


# What a person draws, checked


class _Count:
    def __init__(self, most: int) -> None:
        self._left = self._most = most

    def one_more(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"a zone has at most {self._most} points; simplify its outline, or make several zones of it")


def _place(value: object) -> Place:
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= 4:
        raise ValueError("a point is [longitude, latitude]")
    longitude, latitude = value[0], value[1]
    for number in (longitude, latitude):
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= 720:
            raise ValueError("a point is [longitude, latitude], both numbers in degrees")
    if abs(latitude) > 90:
        raise ValueError(f"there is no latitude {latitude:g}: a point is [longitude, latitude], in this order")
    if abs(latitude) > MOST_LATITUDE:
        raise ValueError(f"zones end at {MOST_LATITUDE:g}° north and south, and {latitude:g} is beyond")
    return _within(float(longitude)), float(latitude)


def _places(value: object, count: _Count) -> Iterator[Place]:
    for one in _listed(value, "a line or a ring"):
        count.one_more()
        yield _place(one)


def _rings(value: object, count: _Count) -> list[list[Place]]:
    rings = []
    for ring in _listed(value, "a Polygon"):
        places = list(_distinct(_places(ring, count)))
        if len(places) > 1 and places[0] == places[-1]:
            places.pop()
        if len(places) < 3:
            raise ValueError("a polygon's ring has at least three different points")
        rings.append([*places, places[0]])
    return rings


def _listed(value: object, what: str) -> Sequence[object]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{what} has a list of coordinates, and it isn't empty")
    return value


def _length(value: float | None, name: str, most: float) -> float:
    if value is None:
        raise ValueError(f"say its {name}, in metres")
    if isinstance(value, bool) or not isinstance(value, int | float) or not SHORTEST_M <= value <= most:
        raise ValueError(f"its {name} is between {SHORTEST_M:g} m and {most / 1000:g} km, given in metres")
    return float(value)


def _distinct(places: Iterable[Place]) -> Iterator[Place]:
    before = None
    for place in places:
        if place != before:
            yield place
        before = place


def _within(longitude: float) -> float:
    """The same meridian within ±180°."""
    return longitude if -180 <= longitude <= 180 else math.remainder(longitude, 360)


# The three kinds


def _circle(middle: Place, radius_m: float) -> Area:
    longitude, latitude = middle
    turn = 2 * math.pi / CIRCLE_VERTICES
    even_m = radius_m * math.sqrt(turn / math.sin(turn))  # the area of the circle: the border goes in and out of it by 0.05 %
    half = CIRCLE_VERTICES // 2
    east = [_away(longitude, latitude, 180 * number / half, even_m) for number in range(half + 1)]  # north to south
    west = [(2 * longitude - x, y) for x, y in east[1:-1]]  # the ellipsoid is the same on both sides
    return Polygon([*reversed(east), *west])  # against the clock, as GeoJSON has it


def _polygons(polygons: Sequence[Sequence[Sequence[Place]]]) -> Area:
    count = _Outline()
    drawn = [[_unrolled(ring) for ring in polygon] for polygon in polygons]
    rings = [ring for polygon in drawn for ring in polygon]
    if len(rings) > 1 or not Polygon(rings[0]).is_valid:
        _refuse_tangles(rings)
    areas = []
    for border, *holes in drawn:
        middle = (min(x for x, _ in border) + max(x for x, _ in border)) / 2
        inner = [_moved_near(hole, middle) for hole in holes]
        polygon = Polygon(_dense(border, count), [_dense(hole, count) for hole in inner])
        # A border that crosses itself (a loop of a centimetre in a border that somebody walked, or drew) is mended: who is told
        # that "the ring intersects itself" can't see where, and what the map fills is what remains.
        areas.append(polygon if polygon.is_valid else shapely.make_valid(polygon, method="structure", keep_collapsed=False))
    first = areas[0].bounds[0] if not areas[0].is_empty else 0.0
    return shapely.union_all([_beside(area, first) for area in areas])


def _corridor(line: Sequence[Place], width_m: float) -> Area:
    """All points so far from the line, stretch by stretch in planes that are right there. Stretches share a point, around which
    both are round, so that no gap is left between them."""
    half_m = width_m / 2
    places = _unrolled(line)
    _refuse_tangles([places])
    dense, count = [places[0]], _Outline()
    chunks, length_m = [dense], 0.0
    for start, end in pairwise(places):
        stretch = EARTH.InverseLine(start[1], start[0], end[1], end[0])
        length_m += stretch.s13
        if length_m > LONGEST_LINE_M:
            raise ValueError(f"a corridor is at most {LONGEST_LINE_M / 1000:g} km long; make several of it")
        parts = max(1, math.ceil(stretch.s13 / _straight_m(half_m, start[1], end[1])))
        count.more(2 * parts)
        for part in range(1, parts + 1):
            place = end if part == parts else _beside_place(_along(stretch, stretch.s13 * part / parts), start)
            chunks[-1].append(place)
            if length_m - stretch.s13 * (1 - part / parts) > CHUNK_M * len(chunks):
                chunks.append([place])
    pieces = [_buffered(chunk, half_m) for chunk in chunks if len(chunk) > 1]
    return shapely.union_all([_without_cracks(part, half_m) for part in _parts(shapely.union_all(pieces))])


def _buffered(line: Sequence[Place], half_m: float) -> Area:
    """In an azimuthal equidistant projection, which at 200 km from its middle stretches by 0.02 %."""
    plane = _Azimuthal(line)
    area = shapely.buffer(shapely.LineString(plane.metres(line)), half_m, quad_segs=ARCS)
    step_m = _straight_m(half_m, max(abs(latitude) for _, latitude in line))
    area = shapely.transform(shapely.segmentize(area, step_m), plane.degrees)
    return area if area.is_valid else shapely.make_valid(area, method="structure", keep_collapsed=False)


class _Azimuthal:
    """A plane in which directions and distances from its middle are true."""

    def __init__(self, places: Sequence[Place]) -> None:
        across, along = zip(*places, strict=True)
        self._longitude, self._latitude = (min(across) + max(across)) / 2, (min(along) + max(along)) / 2

    def metres(self, places: Sequence[Place]) -> list[Place]:
        return [self._metres(*place) for place in places]

    def _metres(self, longitude: float, latitude: float) -> Place:
        there = EARTH.Inverse(self._latitude, self._longitude, latitude, longitude, EARTH.DISTANCE | EARTH.AZIMUTH)
        azimuth = math.radians(there["azi1"])
        return there["s12"] * math.sin(azimuth), there["s12"] * math.cos(azimuth)

    def degrees(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        azimuths, distances_m = np.degrees(np.arctan2(points[:, 0], points[:, 1])), np.hypot(points[:, 0], points[:, 1])
        places = zip(azimuths.tolist(), distances_m.tolist(), strict=True)
        return np.array([_away(self._longitude, self._latitude, *place) for place in places])


def _without_cracks(part: Polygon, half_m: float) -> Polygon:
    """Two stretches whose borders were rounded apart leave holes of no width; true ones lie between stretches of the line."""
    frame = Frame.of(part)
    holes = [hole for hole in part.interiors if frame.metres(Polygon(hole)).area > (STRAIGHT * half_m) ** 2]
    return Polygon(part.exterior, holes)


def _straight_m(half_m: float, *latitudes: float) -> float:
    """How long a straight line in longitude and latitude may be before it leaves the geodesic too far."""
    slope = max(math.tan(math.radians(abs(latitude))) for latitude in latitudes) + 0.01
    return min(EDGE_M, math.sqrt(8 * EARTH.a * STRAIGHT * half_m / slope))


# Points


def _away(longitude: float, latitude: float, azimuth: float, metres: float) -> Place:
    """Longitudes go on past 180°. Raises ValueError past the last latitude."""
    there = EARTH.Direct(latitude, longitude, azimuth, metres, EARTH.LATITUDE | EARTH.LONGITUDE | EARTH.LONG_UNROLL)
    if abs(there["lat2"]) > MOST_LATITUDE:
        raise ValueError(f"zones end at {MOST_LATITUDE:g}° north and south; make it smaller, or move it away from the pole")
    return round(there["lon2"], POINT_DIGITS), round(there["lat2"], POINT_DIGITS)


def _along(stretch: Any, metres: float) -> Place:
    there = stretch.Position(metres, EARTH.LATITUDE | EARTH.LONGITUDE | EARTH.LONG_UNROLL)
    return there["lon2"], there["lat2"]


def _unrolled(places: Sequence[Place]) -> list[Place]:
    """Each longitude less than 180° from the one before. Raises ValueError for a ring around a pole."""
    unrolled = [places[0]]
    for longitude, latitude in places[1:]:
        before = unrolled[-1][0]
        step = math.remainder(longitude - before, 360)
        unrolled.append((longitude if abs(longitude - before) <= 180 else before + step, latitude))
    if places[0] == places[-1] and abs(unrolled[0][0] - unrolled[-1][0]) > 1:
        raise ValueError("a zone can't go around the earth or a pole; make several zones of it")
    return unrolled


def _refuse_tangles(lines: Sequence[Sequence[Place]]) -> None:
    """Raises ValueError for lines that cross each other, or themselves, more often than anybody draws. A way there and back is
    one line."""
    drawn = np.array([sorted(edge) for line in lines for edge in pairwise(line)])
    edges = shapely.linestrings(np.unique(drawn, axis=0))
    tree, near, crossing = shapely.STRtree(edges), 0, 0
    for start in range(0, len(edges), 50):
        some = edges[start : start + 50]
        near += tree.query(some).shape[1]
        if near <= MOST_NEAR:
            crossing += tree.query(some, predicate="crosses").shape[1]
        if near > MOST_NEAR or crossing > 2 * MOST_CROSSINGS:  # each is met from both its edges
            raise ValueError(
                f"the lines cross each other more than {MOST_CROSSINGS} times; draw it anew, or make several zones of it"
            )


def _beside_place(place: Place, near: Place) -> Place:
    return place[0] + 360 * round((near[0] - place[0]) / 360), place[1]


def _moved_near(places: Sequence[Place], longitude: float) -> list[Place]:
    middle = (min(x for x, _ in places) + max(x for x, _ in places)) / 2
    move = 360 * round((longitude - middle) / 360)
    return [(x + move, y) for x, y in places]


def _beside(area: Any, longitude: float) -> Any:
    """The part of a MultiPolygon on the same turn around the earth as the first one."""
    if area.is_empty:
        return area
    return translate(area, 360 * round((longitude - area.bounds[0]) / 360))


class _Outline:
    """Vertices that are put in between, counted before they are made."""

    def __init__(self) -> None:
        self._left = MOST_OUTLINE_VERTICES

    def more(self, vertices: int) -> None:
        self._left -= vertices
        if self._left < 0:
            raise ValueError(
                "the zone's border is too long for its detail; make it shorter (a corridor also: wider), or several of it"
            )


def _dense(border: Sequence[Place], count: _Outline) -> list[Place]:
    points = np.array(border)
    lengths = distance_m(points[:-1, 1], points[:-1, 0], points[1:, 1], points[1:, 0])
    dense = [border[0]]
    for (start, end), metres in zip(pairwise(border), lengths, strict=True):
        count.more(math.ceil(metres / EDGE_M))
        if metres > EDGE_M:
            stretch = EARTH.InverseLine(start[1], start[0], end[1], end[0])
            parts = math.ceil(stretch.s13 / EDGE_M)
            dense += [_beside_place(_along(stretch, stretch.s13 * part / parts), dense[-1]) for part in range(1, parts)]
        dense.append(end)
    return dense


# Areas


def _whole(area: Any) -> Area:
    """Checked and cut at the antimeridian. Raises ValueError when nothing is left, or too much."""
    area = shapely.union_all(list(_parts(area)))
    if area.is_empty or _square_metres(area) < SMALLEST_M2:
        raise ValueError("the zone has no area: its points lie on one line, or on one spot")
    west, south, east, north = area.bounds
    if east - west > WIDEST_DEG:
        raise ValueError(f"a zone is at most {WIDEST_DEG:g}° wide; make several zones of it")
    if max(north, -south) > MOST_LATITUDE:
        raise ValueError(f"zones end at {MOST_LATITUDE:g}° north and south; make it smaller, or move it away from the pole")
    if shapely.get_num_coordinates(area) > MOST_OUTLINE_VERTICES + MOST_VERTICES:
        raise ValueError(
            "the zone's border is too long for its detail; make it shorter (a corridor also: wider), or several of it"
        )
    return shapely.orient_polygons(_cut(area))


def _square_metres(area: Any) -> float:
    return float(Frame.of(area).metres(area).area)


def _cut(area: Any) -> Area:
    """What is past 180° comes in again on the other side."""
    west, _, east, _ = area.bounds
    if not area.is_empty and (west < -180 or east > 180):
        turns = [(turn, shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)) for turn in (-1, 0, 1)]
        pieces = [translate(shapely.intersection(area, box), -360 * turn) for turn, box in turns]
        area = shapely.union_all([part for piece in pieces for part in _parts(piece)])
    parts = list(_parts(area))
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _joined(area: Area) -> Any:
    """The cut undone: an area on both sides of the antimeridian in one piece, past 180°."""
    west, _, east, _ = area.bounds
    if east - west <= WIDEST_DEG:
        return area
    return shapely.union_all([translate(part, 360) if part.bounds[2] <= 0 else part for part in _parts(area)])


def _parts(area: Any) -> Iterator[Polygon]:
    for part in shapely.get_parts(area):
        if isinstance(part, Polygon) and not part.is_empty:
            yield part
        elif not isinstance(part, Polygon) and shapely.get_dimensions(part) == 2:
            yield from _parts(part)


def _depth_m(part: Polygon) -> float:
    flat = Frame.of(part).metres(part)
    # Half of a long shape's width is its area over its length, half the border: a few percent of that are fine enough.
    tolerance_m = max(0.05 * flat.area / (flat.length / 2), 0.001)
    return float(shapely.maximum_inscribed_circle(flat, tolerance=tolerance_m).length)
