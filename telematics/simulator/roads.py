"""The roads of `kazakhstan.roads` as one graph: where lines cross there is a junction; `Roads.route` finds the quickest way.

Lines that cross without a drawn common point are cut there, and a line's end that lies within TIE_M of another line is tied to
it, so that drawing a street means typing its bends and nothing else.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

METRES_PER_DEGREE = 111_195.0
TIE_M = 300.0  # an end that near to another line is meant to touch it
SAME_PLACE_M = 30.0  # junctions that near are one
JUNCTION_COST_S = 6.0  # makes a router prefer few turns
BEND_PIECES = 8  # straight pieces per drawn piece of a highway

Point = tuple[float, float]
Points = tuple[Point, ...]


def metres(a: Point, b: Point) -> float:
    """Distance on a flat patch; good to 0.1 % for the lengths of street pieces."""
    north = (b[0] - a[0]) * METRES_PER_DEGREE
    east = (b[1] - a[1]) * METRES_PER_DEGREE * math.cos(math.radians((a[0] + b[0]) / 2))
    return math.hypot(north, east)


def course(a: Point, b: Point) -> float:
    """Degrees clockwise from north."""
    east = (b[1] - a[1]) * math.cos(math.radians((a[0] + b[0]) / 2))
    return math.degrees(math.atan2(east, b[0] - a[0])) % 360


@dataclass(frozen=True, slots=True)
class Edge:
    """A way between two junctions, in one direction."""

    start: int
    end: int
    points: Points
    length_m: float
    limit_kmh: float
    name: str
    city: str  # empty: a highway


class Roads:
    """The graph. `edges_of_city` are places to deliver to; `edges_from` is the graph itself."""

    def __init__(self, nodes: Sequence[Point], edges: Sequence[Edge]) -> None:
        self.nodes = tuple(nodes)
        self.edges = tuple(edges)
        self.edges_from: tuple[list[Edge], ...] = tuple([] for _ in nodes)
        self.edges_of_city: dict[str, list[Edge]] = {}
        for edge in edges:
            self.edges_from[edge.start].append(edge)
            if edge.city and edge.length_m > 150:
                self.edges_of_city.setdefault(edge.city, []).append(edge)
        self._routes: dict[tuple[int, int], tuple[Edge, ...]] = {}

    def route(self, start: int, goal: int) -> tuple[Edge, ...]:
        """The quickest way by the speed limits; empty when start is the goal. Raises LookupError when there is none."""
        known = self._routes.get((start, goal))
        if known is None:
            known = self._quickest(start, goal)
            if len(self._routes) < 50_000:
                self._routes[start, goal] = known
        return known

    def _quickest(self, start: int, goal: int) -> tuple[Edge, ...]:
        best: dict[int, float] = {start: 0.0}
        came: dict[int, Edge] = {}
        queue = [(0.0, start)]
        while queue:
            cost, node = heapq.heappop(queue)
            if node == goal:
                return _backwards(came, start, goal)
            if cost > best[node]:
                continue
            for edge in self.edges_from[node]:
                reached = cost + edge.length_m * 3.6 / edge.limit_kmh + JUNCTION_COST_S
                if reached < best.get(edge.end, math.inf):
                    best[edge.end] = reached
                    came[edge.end] = edge
                    heapq.heappush(queue, (reached, edge.end))
        raise LookupError(f"no way from {self.nodes[start]} to {self.nodes[goal]}")


def _backwards(came: dict[int, Edge], start: int, goal: int) -> tuple[Edge, ...]:
    way: list[Edge] = []
    while goal != start:
        way.append(came[goal])
        goal = came[goal].start
    return tuple(reversed(way))


@cache
def kazakhstan() -> Roads:
    """The roads of `kazakhstan.roads`; built once, in about 0.1 s."""
    text = files("telematics.simulator").joinpath("kazakhstan.roads").read_text(encoding="utf-8")
    return _graph(list(_lines(text)))


def _lines(text: str) -> Iterator[_Line]:
    city = ""
    for entry in text.replace("\n    ", " ").splitlines():
        if entry.startswith("["):
            city = entry.strip("[]")
        elif entry and not entry.startswith("#"):
            head, _, drawn = entry.partition(":")
            name, _, limit = head.rpartition(",")
            points = tuple((float(lat), float(lon)) for lat, lon in (pair.split() for pair in drawn.split(",")))
            on_highway = city == "highways"
            yield _Line(name, float(limit), _rounded(points) if on_highway else points, "" if on_highway else city)


class _Line:
    """A street being cut: `cuts` maps a place on it (vertex number plus fraction) to the junction there."""

    def __init__(self, name: str, limit_kmh: float, points: Points, city: str) -> None:
        self.name, self.limit_kmh, self.city = name, limit_kmh, city
        self.points = list(points)
        self.cuts: dict[float, Point] = {}
        latitudes, longitudes = [p[0] for p in points], [p[1] for p in points]
        self.box = (min(latitudes) - 0.005, min(longitudes) - 0.005, max(latitudes) + 0.005, max(longitudes) + 0.005)

    def near(self, other: _Line) -> bool:
        a, b = self.box, other.box
        return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]

    def contains(self, point: Point) -> bool:
        return self.box[0] <= point[0] <= self.box[2] and self.box[1] <= point[1] <= self.box[3]

    def at(self, place: float) -> Point:
        whole = min(int(place), len(self.points) - 2)
        (a, b), fraction = self.points[whole : whole + 2], place - whole
        return (a[0] + (b[0] - a[0]) * fraction, a[1] + (b[1] - a[1]) * fraction)

    def closest(self, point: Point) -> tuple[float, float]:
        """The place on this line nearest to point, and how far it is."""
        best = (0.0, math.inf)
        scale = math.cos(math.radians(point[0]))
        for number, (a, b) in enumerate(pairwise(self.points)):
            north, east = b[0] - a[0], (b[1] - a[1]) * scale
            along = ((point[0] - a[0]) * north + (point[1] - a[1]) * scale * east) / (north * north + east * east or 1)
            place = number + min(1.0, max(0.0, along))
            distance = metres(point, self.at(place))
            if distance < best[1]:
                best = (place, distance)
        return best


def _graph(lines: list[_Line]) -> Roads:
    for number, line in enumerate(lines):
        for other in lines[:number]:
            if line.near(other):
                _cut_crossings(line, other)
    for line in lines:
        _tie_ends(line, lines)
    nodes: list[Point] = []
    edges: list[Edge] = []
    for line in lines:
        edges += _edges(line, nodes)
    return Roads(nodes, edges)


def _cut_crossings(line: _Line, other: _Line) -> None:
    for i, (a, b) in enumerate(pairwise(line.points)):
        for j, (c, d) in enumerate(pairwise(other.points)):
            denominator = (b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0])
            if abs(denominator) < 1e-14:
                continue
            t = ((c[0] - a[0]) * (d[1] - c[1]) - (c[1] - a[1]) * (d[0] - c[0])) / denominator
            u = ((c[0] - a[0]) * (b[1] - a[1]) - (c[1] - a[1]) * (b[0] - a[0])) / denominator
            if 0 <= t <= 1 and 0 <= u <= 1:
                line.cuts[i + t] = other.cuts[j + u] = line.at(i + t)


def _tie_ends(line: _Line, lines: list[_Line]) -> None:
    """Give each end a junction: the one that is already near, or the nearest place of another line, or a dead end."""
    for is_end in (False, True):
        place = float(len(line.points) - 1) if is_end else 0.0
        end = line.points[-1 if is_end else 0]
        if any(metres(end, cut) < SAME_PLACE_M for cut in line.cuts.values()):
            continue
        ties = [(*other.closest(end), other) for other in lines if other is not line and other.contains(end)]
        there, distance, other = min(ties, key=lambda tie: tie[1], default=(0.0, math.inf, line))
        if distance < TIE_M and not any(metres(end, cut) < TIE_M for cut in line.cuts.values()):
            junction = other.at(there)
            line.cuts[place] = other.cuts[there] = junction
            line.points[-1 if is_end else 0] = junction
        else:
            line.cuts[place] = end


def _edges(line: _Line, nodes: list[Point]) -> list[Edge]:
    edges: list[Edge] = []
    cuts = sorted(line.cuts.items())
    for (from_place, from_point), (to_place, to_point) in pairwise(cuts):
        start, end = _node(from_point, nodes), _node(to_point, nodes)
        if start == end:
            continue
        between = [line.points[k] for k in range(math.floor(from_place) + 1, math.ceil(to_place))]
        points = (nodes[start], *between, nodes[end])
        length = sum(metres(a, b) for a, b in pairwise(points))
        edges.append(Edge(start, end, points, length, line.limit_kmh, line.name, line.city))
        edges.append(Edge(end, start, points[::-1], length, line.limit_kmh, line.name, line.city))
    return edges


def _node(point: Point, nodes: list[Point]) -> int:
    for number, node in enumerate(nodes):
        if abs(node[0] - point[0]) < 0.001 and metres(node, point) < SAME_PLACE_M:
            return number
    nodes.append(point)
    return len(nodes) - 1


def _rounded(points: Points) -> Points:
    """A Catmull-Rom curve through the points: highways bend, they don't turn."""
    padded = (points[0], *points, points[-1])
    curve: list[Point] = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for piece in range(BEND_PIECES):
            t = piece / BEND_PIECES
            curve.append((_bend(p0[0], p1[0], p2[0], p3[0], t), _bend(p0[1], p1[1], p2[1], p3[1], t)))
    return (*curve, points[-1])


def _bend(p0: float, p1: float, p2: float, p3: float, t: float) -> float:
    return p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
