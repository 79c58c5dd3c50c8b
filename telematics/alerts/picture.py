"""The small map in an e-mail: where the vehicle was, how it came there, and the zone that was entered.

`draw` is pure: a `Scene` in, a PNG out. `Pictures` reads the way from the store and draws in a thread, one picture at a time.
There are no streets in it, as nothing is asked of anybody: the towns around and the scale say where it is, the link beside it
leads to the real map.

It is drawn twice as large as it is stored, and stored twice as large as it is shown: Pillow draws lines without smoothing.
"""

from __future__ import annotations

import asyncio
import io
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import shapely
from PIL import Image, ImageDraw, ImageFont

from telematics.alerts.wording import quantities
from telematics.store.database import Database
from telematics.store.ways import Step, way_before

WIDTH, HEIGHT = 600, 300  # as shown
STORED, DRAWN = 2, 4  # pixels for one that is shown
COLOURS = 96  # in the PNG: smooth enough, and a third of the bytes
NARROWEST_M, WIDEST_M = 1500.0, 250_000.0  # from left to right
MARGIN = 1.35  # room around what is shown
WAY_S, WAY_STEPS = 1800, 400
LARGEST_ZONE = 6  # a zone so many times as wide as the way is shown in part, or the vehicle would be lost in it
WAITING = 8  # pictures; beyond, mails go without
KEPT = 32  # pictures: one alert goes to many people
TOWNS_SHOWN = 12
BEYOND_M = 30_000.0
METRES_PER_DEGREE = 111_195.0
LAND, GRID, BUILT = (238, 240, 236), (228, 231, 226), (225, 222, 216)
ZONE, ZONE_EDGE = (31, 102, 193, 46), (31, 102, 193)
WAY_OLD, WAY_NEW, CASING = (158, 190, 226), (20, 90, 180), (255, 255, 255)
ARROW, INK, HALO = (214, 48, 49), (46, 54, 62), (250, 250, 248)


@dataclass(frozen=True, slots=True)
class Town:
    latitude: float
    longitude: float
    name: str
    radius_m: float


Towns = Callable[
    [float, float, float, float, str], Awaitable[Sequence[Town]]
]  # south, west, north, east, language; largest first


@dataclass(frozen=True, slots=True)
class Scene:
    latitude: float
    longitude: float
    course_deg: float | None = None
    way: Sequence[tuple[float, float]] = ()  # latitude, longitude, oldest first
    outline: Any = None  # a shapely area, longitude first
    towns: Sequence[Town] = ()
    language: str = "en"


@dataclass(frozen=True, slots=True)
class View:
    """A flat piece of the earth around its middle: good to a pixel for the widths that are drawn."""

    latitude: float
    longitude: float
    width_m: float

    @property
    def per_metre(self) -> float:
        return WIDTH * DRAWN / self.width_m

    def metres(self, latitude: float, longitude: float) -> tuple[float, float]:
        """East and north of the middle; the short way round the antimeridian."""
        east = (longitude - self.longitude + 180) % 360 - 180
        scale = math.cos(math.radians(self.latitude))
        return east * METRES_PER_DEGREE * scale, (latitude - self.latitude) * METRES_PER_DEGREE

    def point(self, latitude: float, longitude: float) -> tuple[float, float]:
        x_m, y_m = self.metres(latitude, longitude)
        return WIDTH * DRAWN / 2 + x_m * self.per_metre, HEIGHT * DRAWN / 2 - y_m * self.per_metre

    @property
    def box(self) -> tuple[float, float, float, float]:
        """South, west, north, east of where towns are looked for: somewhat beyond the frame, for the town one is in or near."""
        up = (self.width_m * HEIGHT / WIDTH / 2 + BEYOND_M) / METRES_PER_DEGREE
        aside = (self.width_m / 2 + BEYOND_M) / METRES_PER_DEGREE / math.cos(math.radians(self.latitude))
        return self.latitude - up, self.longitude - aside, self.latitude + up, self.longitude + aside


def view_of(scene: Scene) -> View:
    """So wide that the way and the zone are in it, within reason."""
    around = View(scene.latitude, scene.longitude, 1.0)
    way = [around.metres(*step) for step in scene.way]
    box = _bounds([(0.0, 0.0), *way])
    if scene.outline is not None and not scene.outline.is_empty:
        zone = _bounds([around.metres(y, x) for x, y in shapely.get_coordinates(scene.outline)])
        both = (min(box[0], zone[0]), min(box[1], zone[1]), max(box[2], zone[2]), max(box[3], zone[3]))
        if _width(both) <= max(LARGEST_ZONE * _width(box), 8 * NARROWEST_M):
            box = both
    width_m = min(max(_width(box) * MARGIN, NARROWEST_M), WIDEST_M)
    if _width(box) * MARGIN > WIDEST_M:  # too much for one picture: the vehicle in its middle
        return View(scene.latitude, scene.longitude, width_m)
    x_m, y_m = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    latitude = scene.latitude + y_m / METRES_PER_DEGREE
    longitude = scene.longitude + x_m / METRES_PER_DEGREE / math.cos(math.radians(scene.latitude))
    return View(latitude, longitude, width_m)


def _bounds(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _width(box: tuple[float, float, float, float]) -> float:
    """That a picture of our shape needs to hold it."""
    return max(box[2] - box[0], (box[3] - box[1]) * WIDTH / HEIGHT)


def draw(scene: Scene, view: View | None = None) -> bytes:
    """A PNG of some 10 to 40 kB."""
    view = view or view_of(scene)
    image = Image.new("RGB", (WIDTH * DRAWN, HEIGHT * DRAWN), LAND)
    _built(image, view, scene.towns)
    _grid(image, view)
    if scene.outline is not None:
        _zone(image, view, scene.outline)
    taken = _Taken(view.point(scene.latitude, scene.longitude))
    _way(image, view, scene)
    _names(image, view, scene.towns, taken)
    _arrow(image, view, scene)
    _scale(image, view, scene.language)
    if scene.towns:
        _text(ImageDraw.Draw(image), (WIDTH - 6, HEIGHT - 5), "GeoNames, CC BY 4.0", 9, anchor="rs")
    small = image.resize((WIDTH * STORED, HEIGHT * STORED), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    # MAXCOVERAGE keeps the few strong colours; the default mixes the arrow's red with the blue under it
    small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _grid(image: Image.Image, view: View) -> None:
    """Faint lines a round distance apart, so that an empty land still has a scale."""
    pen = ImageDraw.Draw(image)
    step = round_metres(view.width_m / 6) * view.per_metre
    for number in range(-8, 9):
        x, y = WIDTH * DRAWN / 2 + number * step, HEIGHT * DRAWN / 2 + number * step
        pen.line([(x, 0), (x, HEIGHT * DRAWN)], GRID, DRAWN)
        pen.line([(0, y), (WIDTH * DRAWN, y)], GRID, DRAWN)


def _built(image: Image.Image, view: View, towns: Sequence[Town]) -> None:
    pen = ImageDraw.Draw(image)
    for town in towns:
        x, y = view.point(town.latitude, town.longitude)
        radius = max(town.radius_m * 0.6 * view.per_metre, 3 * DRAWN)
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], BUILT)


def _zone(image: Image.Image, view: View, outline: Any) -> None:
    """Holes stay clear. What is far outside the picture is cut off first: Pillow draws it all."""
    pen_mask = Image.new("L", image.size, 0)
    filling = ImageDraw.Draw(pen_mask)
    flat = shapely.transform(outline, lambda points: [view.point(y, x) for x, y in points])
    far = WIDTH * DRAWN
    seen = shapely.clip_by_rect(shapely.make_valid(flat), -far, -far, 2 * far, 2 * far)
    areas = [part for part in shapely.get_parts(seen) if part.geom_type == "Polygon"]
    pen = ImageDraw.Draw(image)
    for area in areas:
        filling.polygon(list(area.exterior.coords), ZONE[3])
        for hole in area.interiors:
            filling.polygon(list(hole.coords), 0)
    image.paste(ZONE[:3], (0, 0), pen_mask)
    for area in areas:
        for ring in (area.exterior, *area.interiors):
            pen.line(list(ring.coords), ZONE_EDGE, round(1.75 * DRAWN), joint="curve")


def _way(image: Image.Image, view: View, scene: Scene) -> None:
    """From pale to strong, so that it is seen where it began."""
    points = [view.point(*step) for step in scene.way]
    if len(points) < 2:
        return
    pen = ImageDraw.Draw(image)
    _line(pen, points, CASING, 6 * DRAWN)
    count = len(points) - 1
    for place, (a, b) in enumerate(pairwise(points)):
        share = (place + 1) / count
        colour = tuple(round(old + (new - old) * share) for old, new in zip(WAY_OLD, WAY_NEW, strict=True))
        _line(pen, [a, b], colour, round(3.5 * DRAWN))


def _line(pen: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: tuple[int, ...], width: int) -> None:
    """With round joints and ends."""
    pen.line(points, colour, width, joint="curve")
    radius = width / 2
    for x, y in points:
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], colour)


def _arrow(image: Image.Image, view: View, scene: Scene) -> None:
    """Pointing where it drove; a dot where that isn't known."""
    pen = ImageDraw.Draw(image)
    x, y = view.point(scene.latitude, scene.longitude)
    for size, colour in ((15, CASING), (11.5, ARROW)):
        if scene.course_deg is None:
            radius = size * 0.62 * DRAWN
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], colour)
            continue
        turn = math.radians(scene.course_deg)
        shape = (
            ((0, -1.15), (0.82, 0.95), (0, 0.55), (-0.82, 0.95))
            if size < 15
            else ((0, -1.25), (0.95, 1.12), (0, 0.72), (-0.95, 1.12))
        )
        corners = [
            (
                x + (a * math.cos(turn) - b * math.sin(turn)) * size * DRAWN,
                y + (a * math.sin(turn) + b * math.cos(turn)) * size * DRAWN,
            )
            for a, b in shape
        ]
        pen.polygon(corners, colour)


@dataclass(slots=True)
class _Taken:
    """Where there is no room for a name any more. The vehicle's place is taken first."""

    vehicle: tuple[float, float]
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        x, y = self.vehicle
        around = 18 * DRAWN
        self.boxes.append((x - around, y - around, x + around, y + around))
        self.boxes.append((0, (HEIGHT - 30) * DRAWN, 150 * DRAWN, HEIGHT * DRAWN))  # the scale
        self.boxes.append(((WIDTH - 110) * DRAWN, (HEIGHT - 18) * DRAWN, WIDTH * DRAWN, HEIGHT * DRAWN))  # whose towns they are

    def take(self, box: tuple[float, float, float, float]) -> bool:
        inside = box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH * DRAWN and box[3] <= HEIGHT * DRAWN
        if not inside or any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in self.boxes):
            return False
        self.boxes.append(box)
        return True


def _names(image: Image.Image, view: View, towns: Sequence[Town], taken: _Taken) -> None:
    pen = ImageDraw.Draw(image)
    shown = 0
    for town in towns:
        if shown >= TOWNS_SHOWN:
            return
        x, y = (coordinate / DRAWN for coordinate in view.point(town.latitude, town.longitude))
        size = 14 if town.radius_m > 3500 else 12
        for at in ((x, y), (x, y - 14), (x, y + 14)):
            left, top, right, bottom = pen.textbbox((at[0] * DRAWN, at[1] * DRAWN), town.name, _font(size), anchor="mm")
            if taken.take((left - 8, top - 6, right + 8, bottom + 6)):
                _text(pen, at, town.name, size, anchor="mm")
                shown += 1
                break
    if not shown and towns:
        _beyond(pen, view, min(towns, key=lambda town: math.hypot(*view.metres(town.latitude, town.longitude))))


def _beyond(pen: ImageDraw.ImageDraw, view: View, town: Town) -> None:
    """The nearest town that is not in the picture: its name at the edge, on the side where it lies."""
    x_m, y_m = view.metres(town.latitude, town.longitude)
    across, up = x_m / (WIDTH / 2 - 60), y_m / (HEIGHT / 2 - 22)
    reach = max(abs(across), abs(up)) or 1.0
    x, y = WIDTH / 2 + x_m / reach, HEIGHT / 2 - y_m / reach
    _text(pen, (x, y), town.name, 13, anchor="mm")
    turn = math.atan2(x_m, y_m)
    tip = (x + math.sin(turn) * (14 + 3.5 * len(town.name) * abs(math.sin(turn))), y - math.cos(turn) * 16)
    wings = [
        (tip[0] + math.sin(turn + side) * length, tip[1] - math.cos(turn + side) * length)
        for side, length in ((0.0, 6), (2.4, 5), (-2.4, 5))
    ]
    pen.polygon([(a * DRAWN, b * DRAWN) for a, b in wings], INK)


def _scale(image: Image.Image, view: View, language: str) -> None:
    pen = ImageDraw.Draw(image)
    length_m = round_metres(view.width_m / 5)
    length = length_m * WIDTH / view.width_m
    left, base = 10, HEIGHT - 9
    corners = [(left * DRAWN, (base - 5) * DRAWN), (left * DRAWN, base * DRAWN), ((left + length) * DRAWN, base * DRAWN),
               ((left + length) * DRAWN, (base - 5) * DRAWN)]  # fmt: skip
    pen.line(corners, HALO, 4 * DRAWN, joint="curve")
    pen.line(corners, INK, round(1.5 * DRAWN), joint="curve")
    _text(pen, (left + length / 2, base - 5), quantities.distance(length_m, language), 11, anchor="ms")


def _text(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, *, anchor: str) -> None:
    place = (at[0] * DRAWN, at[1] * DRAWN)
    pen.text(place, text, INK, _font(size), anchor=anchor, stroke_width=2 * DRAWN, stroke_fill=HALO)
    pen.text(place, text, INK, _font(size), anchor=anchor)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Roboto, which has Kazakh's letters, too; Pillow's own has Latin ones only."""
    return ImageFont.truetype(io.BytesIO((files("font_roboto") / "files" / "Roboto-Medium.ttf").read_bytes()), size * DRAWN)


def round_metres(metres: float) -> float:
    """1, 2 or 5 with zeros behind it, not above `metres`."""
    power = 10 ** math.floor(math.log10(metres))
    return float(max(step for step in (1, 2, 5) if step * power <= metres) * power)


class Pictures:
    """Of places in messages. None where there is too much to do."""

    def __init__(self, database: Database, towns: Towns | None = None) -> None:
        self.towns = towns
        self._database = database
        self._pens = ThreadPoolExecutor(max_workers=1, thread_name_prefix="picture")
        self._waiting = 0
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    async def of(
        self, *, device_id: int, time: datetime, latitude: float, longitude: float, outline: Any = None, language: str = "en"
    ) -> bytes | None:
        """Raises StoreError when the way can't be read."""
        if self._waiting >= WAITING or abs(latitude) > 85:
            return None
        key = (device_id, time, latitude, longitude, None if outline is None else outline.wkb, language)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        self._waiting += 1
        try:
            steps = await way_before(self._database, device_id, time - timedelta(seconds=WAY_S), time, WAY_STEPS)
            scene = scene_of(steps, latitude, longitude, outline, language)
            view = view_of(scene)
            towns = await self.towns(*view.box, language) if self.towns is not None else ()
            full = Scene(latitude, longitude, scene.course_deg, scene.way, outline, towns, language)
            picture = await asyncio.get_running_loop().run_in_executor(self._pens, draw, full, view)
        finally:
            self._waiting -= 1
        self._kept[key] = picture
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return picture

    def close(self) -> None:
        self._pens.shutdown(wait=False, cancel_futures=True)


def scene_of(steps: Sequence[Step], latitude: float, longitude: float, outline: Any, language: str) -> Scene:
    """`steps` newest first. The vehicle stands at the alert's place, which for a crossing lies between two of them."""
    course = steps[0].course_deg if steps else None
    way = [(step.latitude, step.longitude) for step in reversed(steps)]
    if way and way[-1] != (latitude, longitude):
        way.append((latitude, longitude))
    return Scene(latitude, longitude, course, way, outline, (), language)
