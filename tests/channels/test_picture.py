"""The small map in a mail: what is where in it, read back from its pixels."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PIL import Image

from telematics.alerts.picture import KEPT, STORED, Pictures, Scene, Town, View, draw, round_metres, view_of
from telematics.store.database import Database
from telematics.zones.shapes import outline

HERE = (43.24, 76.92)
WAY = [(43.24 - 0.002 * n, 76.92 - 0.003 * n) for n in range(20, -1, -1)]
RING = [[76.90, 43.22], [76.95, 43.22], [76.95, 43.26], [76.90, 43.26], [76.90, 43.22]]
HOLE = [[76.93, 43.225], [76.945, 43.225], [76.945, 43.235], [76.93, 43.235], [76.93, 43.225]]
SHAPES = {
    "circle": outline("circle", {"type": "Point", "coordinates": [76.921, 43.241]}, 300, None),
    "polygon with a hole": outline("polygon", {"type": "Polygon", "coordinates": [RING, HOLE]}, None, None),
    "corridor": outline(
        "corridor", {"type": "LineString", "coordinates": [[76.8, 43.2], [76.95, 43.25], [77.0, 43.3]]}, None, 400
    ),
    "far too large": outline("circle", {"type": "Point", "coordinates": [76.921, 43.241]}, 450_000, None),
}


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    assert image.size == (1200, 600)
    assert len(png) < 60_000
    return np.asarray(image.convert("RGB")).astype(int)


def colour(picture: np.ndarray, view: View, latitude: float, longitude: float) -> tuple[int, int, int]:
    x, y = (round(coordinate * STORED / 4) for coordinate in view.point(latitude, longitude))
    return tuple(picture[y, x])


def reddish(rgb: tuple[int, int, int]) -> bool:
    return rgb[0] > 180 and rgb[1] < 110


def bluish(rgb: tuple[int, int, int]) -> bool:
    return rgb[2] - rgb[0] > 15


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("course", [None, 0.0, 137.0])
def test_vehicle_and_zone_are_where_they_are(name: str, course: float | None) -> None:
    scene = Scene(*HERE, course, WAY, SHAPES[name])
    view = view_of(scene)
    picture = pixels(draw(scene, view))
    assert reddish(colour(picture, view, *HERE))
    assert bluish(colour(picture, view, *WAY[5]))


def test_a_hole_stays_clear_and_what_is_inside_is_tinted() -> None:
    scene = Scene(*HERE, None, [], SHAPES["polygon with a hole"])
    view = view_of(scene)
    picture = pixels(draw(scene, view))
    assert bluish(colour(picture, view, 43.25, 76.91))
    assert not bluish(colour(picture, view, 43.23, 76.9375))
    assert not bluish(colour(picture, view, 43.262, 76.99))


@pytest.mark.parametrize(
    ("scene", "width_m"),
    [
        pytest.param(Scene(*HERE), 1500, id="nothing but the place"),
        pytest.param(Scene(*HERE, None, WAY), 12_000, id="the way"),
        pytest.param(Scene(*HERE, None, [], SHAPES["circle"]), 1600, id="a small zone whole"),
        pytest.param(Scene(*HERE, None, WAY, SHAPES["far too large"]), 12_000, id="a zone as large as a country: the way"),
        pytest.param(Scene(*HERE, None, [(40.0, 70.0), HERE]), 250_000, id="a way too long"),
        pytest.param(Scene(60.0, 179.999, None, [(60.0, -179.95), (60.0, 179.999)]), 3900, id="over the antimeridian"),
    ],
)
def test_how_much_is_shown(scene: Scene, width_m: float) -> None:
    view = view_of(scene)
    assert view.width_m == pytest.approx(width_m, rel=0.15)
    x, y = view.point(scene.latitude, scene.longitude)
    assert 0 <= x <= 2400
    assert 0 <= y <= 1200
    pixels(draw(scene, view))


def test_towns_are_named_in_their_letters() -> None:
    """Kazakh's letters are drawn as themselves, not as the box that stands for what a font lacks."""
    pictures = [
        draw(Scene(*HERE, None, WAY, None, [Town(43.22, 76.88, name, 2000.0)]), View(*HERE, 12_000))
        for name in ("Ққ", "Ұұ", "Әә", "\uffff\uffff")
    ]
    assert len(set(pictures)) == 4


def test_round_lengths_for_the_scale() -> None:
    assert [round_metres(metres) for metres in (300, 999, 1000, 2400, 49_000, 50_000)] == [200, 500, 1000, 2000, 20_000, 50_000]


async def test_the_way_comes_from_the_store(database: Database) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    async with database.pool.connection() as connection:
        await connection.execute("INSERT INTO accounts (name) VALUES ('A')")
        await connection.execute("INSERT INTO devices (account_id, unique_id, name) SELECT id, '1', 'T' FROM accounts")
        await connection.execute(
            "INSERT INTO positions"
            " (id, device_id, time, received, valid, outlier, late, distance_m, latitude, longitude, course_deg)"
            " SELECT n, devices.id, %(now)s::timestamptz - make_interval(secs => 60 * (n - 1)), %(now)s, n <> 3, n = 5, false, 0,"
            "  43.24 - 0.002 * n, 76.92, 90 FROM devices, generate_series(1, 60) AS n",
            {"now": now},
        )
        row = await (await connection.execute("SELECT id FROM devices")).fetchone()
    assert row is not None
    asked: list[tuple[float, ...]] = []

    async def towns(south: float, west: float, north: float, east: float, language: str) -> list[Town]:
        asked.append((south, west, north, east))
        return [Town(43.2, 76.9, "Алматы", 9000.0)]

    pictures = Pictures(database, towns)
    first = await pictures.of(device_id=row[0], time=now, latitude=43.24, longitude=76.92, language="ru")
    assert first is not None
    pixels(first)
    assert await pictures.of(device_id=row[0], time=now, latitude=43.24, longitude=76.92, language="ru") is first
    assert len(asked) == 1
    south, west, north, east = asked[0]
    assert south < 43.24 - 0.002 * 30 < north  # 31 minutes ago isn't in the way, half an hour is
    assert west < 76.92 < east
    other = await pictures.of(device_id=row[0], time=now - timedelta(days=1), latitude=43.24, longitude=76.92)
    assert other not in (None, first)


async def test_there_is_a_bound_to_what_waits_and_what_is_kept(database: Database) -> None:
    pictures = Pictures(database)
    now = datetime.now(UTC)
    drawn = await asyncio.gather(*(pictures.of(device_id=1, time=now, latitude=n, longitude=1.0) for n in range(20)))
    assert sum(picture is not None for picture in drawn) == 8
    assert len(pictures._kept) <= KEPT
    assert await pictures.of(device_id=1, time=now, latitude=89.9, longitude=1.0) is None
