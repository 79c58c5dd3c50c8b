"""How a vehicle gets along a way: limits, turns, lights and its engine make a speed profile that can be asked for any moment.

A way is cut into straight pieces. For each end of a piece there is a highest speed (sharp bend, junction, red light); going
forward with the acceleration and backward with the braking makes these speeds possible; within a piece the vehicle then
speeds up, rolls and brakes. All that is known once the way is known, so a `Trip` answers "where at second 1234?" by one
bisection, which makes an hour of history as cheap as a second of the present.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from telematics.simulator.roads import Edge, Point, course, metres

LONGEST_PIECE_M = 900.0  # longer ones are cut, since nobody holds one speed for long
TURN_LIMITS_KMH: tuple[tuple[float, float], ...] = ((100, 14), (60, 20), (35, 32), (18, 48))  # from so many degrees on


@dataclass(frozen=True, slots=True)
class Manner:
    """How a driver and vehicle drive."""

    accelerate_ms2: float
    brake_ms2: float
    top_kmh: float
    haste: float  # of the speed limit: 0.9 careful, 1.15 hurried
    light_chance: float = 0.25  # of finding a junction's light red
    light_s: tuple[float, float] = (5.0, 35.0)


class State(msgspec.Struct, frozen=True):
    """A vehicle at one moment."""

    latitude: float
    longitude: float
    speed_kmh: float
    course_deg: float
    travelled_m: float
    ignition: bool


class Piece(msgspec.Struct, frozen=True):
    """A straight piece, or a wait (length 0). Times in seconds from the trip's begin, speeds in m/s."""

    start_s: float
    start_m: float
    length_m: float
    a: Point
    b: Point
    course_deg: float
    enter: float
    peak: float
    accelerate_s: float
    roll_s: float
    brake_ms2: float
    accelerate_ms2: float


class Trip:
    """A drive along edges. `cut_start_m` and `cut_end_m` are left out at the ends: people park between junctions."""

    def __init__(self, way: Sequence[Edge], manner: Manner, chance: random.Random, cut_start_m: float = 0, cut_end_m: float = 0):
        corners = _corners(way, cut_start_m, cut_end_m)
        self._pieces = _pieces(corners, manner, chance)
        self._starts = [piece.start_s for piece in self._pieces[:-1]]
        end = self._pieces[-1]
        self.duration_s, self.length_m = end.start_s, end.start_m
        self.end, self.end_course_deg = end.a, end.course_deg

    def at(self, second: float) -> State:
        """Clamped to the trip's begin and end."""
        piece = self._pieces[max(0, bisect_right(self._starts, second) - 1)]
        if second >= self.duration_s:
            return State(*self.end, 0.0, self.end_course_deg, self.length_m, True)
        since = max(0.0, second - piece.start_s)
        if piece.length_m == 0.0:
            return State(*piece.a, 0.0, piece.course_deg, piece.start_m, True)
        travelled, speed = _within(piece, since)
        share = min(1.0, travelled / piece.length_m)
        (lat0, lon0), (lat1, lon1) = piece.a, piece.b
        return State(
            lat0 + (lat1 - lat0) * share,
            lon0 + (lon1 - lon0) * share,
            speed * 3.6,
            piece.course_deg,
            piece.start_m + travelled,
            True,
        )


def _within(piece: Piece, since: float) -> tuple[float, float]:
    """Metres and m/s after so many seconds of a piece: speed up, roll, brake."""
    if since < piece.accelerate_s:
        return since * (piece.enter + 0.5 * piece.accelerate_ms2 * since), piece.enter + piece.accelerate_ms2 * since
    travelled = piece.accelerate_s * (piece.enter + piece.peak) / 2
    since -= piece.accelerate_s
    if since < piece.roll_s:
        return travelled + piece.peak * since, piece.peak
    travelled += piece.peak * piece.roll_s
    since -= piece.roll_s
    speed = max(0.0, piece.peak - piece.brake_ms2 * since)
    return min(piece.length_m, travelled + since * (piece.peak + speed) / 2), speed


class _Corner(msgspec.Struct):
    """The begin of a piece, while the profile is being made."""

    point: Point
    limit_kmh: float  # of the piece that begins here
    length_m: float  # of the piece that begins here
    junction: bool
    highway: bool


def _corners(way: Sequence[Edge], cut_start_m: float, cut_end_m: float) -> list[_Corner]:
    corners: list[_Corner] = []
    for place, edge in enumerate(way):
        points = list(edge.points)
        if place == 0:
            points = cut(points, cut_start_m)
        if place == len(way) - 1:
            points = cut(points[::-1], cut_end_m)[::-1]
        for number, (a, b) in enumerate(pairwise(points)):
            length = metres(a, b)
            if length < 0.5:
                continue
            parts = math.ceil(length / LONGEST_PIECE_M)
            for part in range(parts):
                begin = (a[0] + (b[0] - a[0]) * part / parts, a[1] + (b[1] - a[1]) * part / parts)
                crossing = number == 0 and part == 0 and place > 0
                corners.append(_Corner(begin, edge.limit_kmh, length / parts, crossing, not edge.city))
    last = way[-1]
    end = cut(list(last.points[::-1]), cut_end_m)[0]
    corners.append(_Corner(end, last.limit_kmh, 0.0, False, not last.city))
    return corners


def cut(points: list[Point], off_m: float) -> list[Point]:
    """The line without its first metres; its last piece is never used up."""
    while len(points) > 2 and off_m >= metres(points[0], points[1]):
        off_m -= metres(points[0], points[1])
        points = points[1:]
    a, b = points[0], points[1]
    share = min(0.999999, off_m / max(0.001, metres(a, b)))
    return [(a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share), *points[1:]]


def _pieces(corners: list[_Corner], manner: Manner, chance: random.Random) -> list[Piece]:
    count = len(corners) - 1
    courses = [course(corners[k].point, corners[k + 1].point) for k in range(count)]
    caps = [_cruise(corner, manner, chance) for corner in corners[:-1]]
    waits = [0.0] * count
    speeds = [0.0] * (count + 1)
    for k in range(1, count):
        speeds[k] = min(caps[k - 1], caps[k], _turn_limit(courses[k - 1], courses[k], corners[k].highway))
        if corners[k].junction and not corners[k].highway:
            if chance.random() < manner.light_chance:
                speeds[k], waits[k] = 0.0, chance.uniform(*manner.light_s)
            else:
                speeds[k] = min(speeds[k], 45 / 3.6)
    for k in range(count):
        speeds[k + 1] = min(speeds[k + 1], math.sqrt(speeds[k] ** 2 + 2 * manner.accelerate_ms2 * corners[k].length_m))
    for k in range(count - 1, -1, -1):
        speeds[k] = min(speeds[k], math.sqrt(speeds[k + 1] ** 2 + 2 * manner.brake_ms2 * corners[k].length_m))
    return _timed(corners, courses, caps, waits, speeds, manner)


def _timed(
    corners: list[_Corner], courses: list[float], caps: list[float], waits: list[float], speeds: list[float], manner: Manner
) -> list[Piece]:
    a, b = manner.accelerate_ms2, manner.brake_ms2
    pieces: list[Piece] = []
    second = travelled = 0.0
    for k, corner in enumerate(corners[:-1]):
        if waits[k]:
            place = corner.point
            pieces.append(Piece(second, travelled, 0.0, place, place, courses[k - 1], 0, 0, 0, 0, b, a))
            second += waits[k]
        enter, leave, length = speeds[k], speeds[k + 1], corner.length_m
        highest = math.sqrt(max(0.0, (2 * a * b * length + b * enter**2 + a * leave**2) / (a + b)))
        peak = max(enter, leave, min(caps[k], highest))
        accelerate_s, brake_s = (peak - enter) / a, (peak - leave) / b
        rolled = length - accelerate_s * (enter + peak) / 2 - brake_s * (leave + peak) / 2
        roll_s = max(0.0, rolled) / peak
        pieces.append(
            Piece(
                second, travelled, length, corner.point, corners[k + 1].point, courses[k], enter, peak, accelerate_s, roll_s, b, a
            )
        )
        second += accelerate_s + roll_s + brake_s
        travelled += length
    end = corners[-1].point
    pieces.append(Piece(second, travelled, 0.0, end, end, courses[-1], 0, 0, 0, 0, b, a))
    return pieces


def _cruise(corner: _Corner, manner: Manner, chance: random.Random) -> float:
    return min(manner.top_kmh, corner.limit_kmh * manner.haste) * chance.uniform(0.88, 1.06) / 3.6


def _turn_limit(before_deg: float, after_deg: float, highway: bool) -> float:
    turn = abs((after_deg - before_deg + 180) % 360 - 180)
    for degrees, limit_kmh in TURN_LIMITS_KMH:
        if turn >= degrees * (2 if highway else 1):  # a highway's drawn corner is a wide bend in truth
            return limit_kmh / 3.6
    return math.inf
