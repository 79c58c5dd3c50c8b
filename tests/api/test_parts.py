"""The parts that need no server: guessing's price, stops and trips, towns, the same-origin rule, times as clients write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import door, security, shapes, towns, tracks
from dashboards.api.parameters import _time
from dashboards.api.server import first_language
from dashboards.geocoder import Geocoder
from dashboards.throttle import ADDRESS, NAME, NAME_AT_ADDRESS, Throttle, network
from dashboards.tracks import Leg, Point
from telematics.config import MotionSettings, Settings

START = datetime(2026, 1, 26, tzinfo=UTC)


# --- guessing


@pytest.mark.parametrize(
    ("patience", "waits"),
    [
        (NAME_AT_ADDRESS, {1: 0, 4: 0, 5: 1, 6: 2, 10: 32, 13: 256, 14: 300, 10**9: 300}),
        (ADDRESS, {19: 0, 20: 1, 27: 120}),
        (NAME, {49: 0, 50: 1, 55: 30}),
    ],
)
def test_waits_double_up_to_a_bound(patience: object, waits: dict[int, float]) -> None:
    assert {failures: patience.wait_s(failures) for failures in waits} == waits  # type: ignore[attr-defined]


def test_a_guesser_waits_and_the_owner_elsewhere_does_not() -> None:
    throttle = Throttle()
    for second in range(10):
        throttle.failed("anna@example.com", "192.0.2.1", second)
    assert throttle.wait_s(" ANNA@example.com", "192.0.2.1", 9) == 32
    assert throttle.wait_s("anna@example.com", "192.0.2.2", 9) == 0
    assert throttle.wait_s("anna@example.com", "192.0.2.1", 9 + 901) == 0, "forgotten"
    throttle.succeeded("anna@example.com", "192.0.2.1")
    assert throttle.wait_s("anna@example.com", "192.0.2.1", 9) == 0


def test_many_names_from_one_address_and_many_addresses_for_one_name() -> None:
    throttle = Throttle()
    for number in range(30):
        throttle.failed(f"user{number}@example.com", f"2001:db8::{number}", 0)
    assert throttle.wait_s("new@example.com", "2001:db8::ffff", 0) > 60, "one /64 is one household"
    for number in range(60):
        throttle.failed("anna@example.com", f"198.51.100.{number}", 0)
    assert 0 < throttle.wait_s("anna@example.com", "203.0.113.1", 0) <= 30


def test_strangers_do_not_make_the_owner_wait_where_the_owner_is_known() -> None:
    throttle = Throttle()
    throttle.succeeded("anna@example.com", "192.0.2.1")
    for number in range(60):
        throttle.failed("anna@example.com", f"198.51.100.{number}", 0)
    assert throttle.wait_s("anna@example.com", "192.0.2.1", 0) == 0
    assert throttle.wait_s("anna@example.com", "192.0.2.2", 0) > 0
    for second in range(6):
        throttle.failed("anna@example.com", "192.0.2.1", second)
    assert throttle.wait_s("anna@example.com", "192.0.2.1", 5) > 0


def test_counts_are_bounded() -> None:
    throttle = Throttle()
    for number in range(12_000):
        throttle.succeeded(f"user{number}", "192.0.2.1")
    assert len(throttle.known) == 10_000
    for number in range(12_000):
        throttle.failed(f"user{number}", f"10.0.{number // 250}.{number % 250}", 0)
    assert len(throttle.counts) <= 30_000


@pytest.mark.parametrize(
    ("address", "household"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_households(address: str, household: str) -> None:
    assert network(address) == household


# --- stops and trips


def point(minute: float, speed_kmh: float | None, north_m: float = 0, way_m: float = 0, motion: bool | None = None) -> Point:
    time = START + timedelta(minutes=minute)
    return Point(int(minute * 10), time, 51 + north_m / 111_195, 71.0, speed_kmh, motion, way_m, None, None, None)


STOP, DRIVE = 0.0, 60.0


@pytest.mark.parametrize(
    ("points", "stops", "trips"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([point(0, STOP)], [], [], id="one report"),
        pytest.param([point(0, STOP), point(1, STOP)], [], [], id="standing, not long enough"),
        pytest.param([point(0, STOP), point(2, STOP)], [(0, 1)], [], id="standing"),
        pytest.param([point(0, DRIVE), point(5, DRIVE, 5000, 5000)], [], [(0, 1)], id="driving all the time"),
        pytest.param(
            [point(0, STOP), point(5, DRIVE), point(10, STOP, 5000, 5000), point(15, STOP, 5000)],
            [(0, 1), (2, 3)],
            [(1, 2)],
            id="there and there",
        ),
        pytest.param(
            [point(0, STOP), point(5, 6), point(10, STOP)],
            [(0, 2)],
            [],
            id="creeping between the two speeds is standing for who stood",
        ),
        pytest.param(
            [point(0, DRIVE), point(5, 6, 5000, 5000), point(10, DRIVE, 10_000, 5000)],
            [],
            [(0, 2)],
            id="and driving for who drove",
        ),
        pytest.param(
            [point(0, STOP), point(5, 20), point(5.5, STOP, 30, 30), point(10, STOP, 30)],
            [(0, 3)],
            [],
            id="a receiver's noise doesn't break a stop",
        ),
        pytest.param(
            [point(0, STOP), point(5, STOP), point(60, STOP, 40_000, 40_000), point(65, STOP, 40_000)],
            [(0, 1), (2, 3)],
            [(1, 2)],
            id="nothing was heard on the way",
        ),
        pytest.param(
            [point(0, None, motion=False), point(5, None, motion=False), point(6, None, 900, 900, motion=True)],
            [(0, 2)],
            [],
            id="no speed: the tracker's own opinion",
        ),
    ],
)
def test_stops_and_trips(points: list[Point], stops: list[tuple[int, int]], trips: list[tuple[int, int]]) -> None:
    motion = MotionSettings()
    assert tracks.stops(points, motion) == [Leg(*leg) for leg in stops]
    assert tracks.trips(points, motion) == [Leg(*leg) for leg in trips]


@given(st.lists(st.tuples(st.floats(0, 120), st.floats(0, 5000)), max_size=40))
def test_legs_follow_each_other(moves: list[tuple[float, float]]) -> None:
    points, north_m = [], 0.0
    for minute, (speed_kmh, way_m) in enumerate(moves):
        north_m += way_m
        points.append(point(minute, speed_kmh, north_m, way_m))
    motion = MotionSettings()
    legs = sorted(tracks.stops(points, motion) + tracks.trips(points, motion), key=lambda leg: leg.first)
    assert all(0 <= leg.first < leg.last < len(points) for leg in legs)
    assert all(before.last <= after.first for before, after in pairwise(legs))


def test_fuel_spent_leaves_refuelling_out() -> None:
    levels = [50, 48, None, 47, 90, 85]
    points = [Point(0, START, 0, 0, None, None, 0, None, level, None) for level in levels]
    assert tracks.spent_l(points) == 8
    assert tracks.first_and_last([None, 1.0, None, 2.0, None]) == (1.0, 2.0)
    assert tracks.first_and_last([None]) == (0.0, 0.0)


# --- towns


@pytest.fixture(scope="session")
def known_towns(tmp_path_factory: pytest.TempPathFactory) -> towns.Towns:
    folder = tmp_path_factory.mktemp("towns")
    first = towns.load(folder)
    (kept,) = folder.iterdir()
    assert kept.stat().st_size < 8 << 20
    assert np.array_equal(towns.load(folder).latitude, first.latitude)
    return first


@pytest.mark.parametrize(
    ("latitude", "longitude", "language", "name"),
    [
        (43.2389, 76.8897, "en", "Almaty"),
        (43.2389, 76.8897, "ru", "Алматы"),
        (51.30, 71.60, "en", "17 km NE of Astana"),
        (51.30, 71.60, "ru", "Астана, 17 км к северо-востоку"),
        (49.80, 73.10, "kk", "Қарағанды"),
        (55.75, 37.62, "ru", "Москва"),
        (54.99, 73.37, "ru", "Омск"),
        (54.99, 73.37, "kk", "Омск"),
        (52.23, 21.01, "ru", "Warsaw"),
        (0.0, -30.0, "en", ""),
        (90.0, 0.0, "en", ""),
        (-90.0, 180.0, "en", ""),
    ],
)
def test_the_nearest_town(known_towns: towns.Towns, latitude: float, longitude: float, language: str, name: str) -> None:
    assert known_towns.describe(latitude, longitude, language) == name


@pytest.mark.parametrize(
    ("spoken", "language"),
    [("", "en"), ("ru-RU,ru;q=0.9,en;q=0.8", "ru"), ("de, kk", "kk"), ("de", "en"), ("RU", "ru"), ("\0,;;;", "en")],
)
def test_the_first_language_that_we_speak(spoken: str, language: str) -> None:
    assert first_language(spoken) == language


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, content=b" " * 100_000),
        httpx.ConnectError("down"),
    ],
)
async def test_a_geocoder_that_fails_is_left_alone_for_a_while(tmp_path: Path, known_towns: towns.Towns, answer: object) -> None:
    asked = 0

    def serve(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer

    geocoder = geocoder_of(tmp_path, known_towns, serve)
    for _ in range(3):
        assert await geocoder.name(43.2389, 76.8897, "en") == "Almaty"
    assert asked == 1


async def test_a_geocoder_is_asked_once_for_a_place(tmp_path: Path, known_towns: towns.Towns) -> None:
    asked: list[httpx.URL] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json={"display_name": "Abay Avenue 10, Almaty"})

    geocoder = geocoder_of(tmp_path, known_towns, serve)
    for _ in range(3):
        assert await geocoder.name(43.23891, 76.88970, "ru") == "Abay Avenue 10, Almaty"
    (url,) = asked
    assert url.path == "/reverse"
    assert (url.params["lat"], url.params["accept-language"]) == ("43.2389", "ru")


def geocoder_of(folder: Path, known: towns.Towns, serve: object) -> Geocoder:
    geocoder = Geocoder("https://nominatim.example.com/", folder)
    geocoder._client = httpx.AsyncClient(transport=httpx.MockTransport(serve))  # type: ignore[arg-type]
    geocoder._towns = known
    return geocoder


# --- the rest


@pytest.mark.parametrize(
    ("headers", "public_url", "ours"),
    [
        ({"host": "gps.example.com"}, None, True),
        ({"host": "gps.example.com", "origin": "https://gps.example.com"}, None, True),
        ({"host": "gps.example.com", "origin": "https://gps.example.com.evil.example"}, None, False),
        ({"host": "127.0.0.1:8082", "origin": "https://gps.example.com"}, "https://gps.example.com", True),
        ({"host": "127.0.0.1:8082", "origin": "https://gps.example.com"}, None, False),
        ({"host": "gps.example.com", "origin": "null"}, None, False),
        ({"host": "", "origin": ""}, None, False),
        ({"origin": "null"}, None, False),
        ({"host": "gps.example.com", "sec-fetch-site": "cross-site"}, None, False),
        ({"host": "127.0.0.1:8082", "origin": "https://gps.example.com", "sec-fetch-site": "same-origin"}, None, True),
        ({"host": "gps.example.com", "origin": "http://["}, None, False),
    ],
)
def test_same_origin(headers: dict[str, str], public_url: str | None, ours: bool) -> None:
    assert security.same_origin(headers, public_url) is ours


@pytest.mark.parametrize(
    ("proxies", "all_of_them"),
    [
        ("127.0.0.1", "127.0.0.1,::ffff:127.0.0.1"),
        ("10.0.0.0/8, ::1", "10.0.0.0/8,::1,::ffff:10.0.0.0/104"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_proxies_are_known_on_sockets_for_ipv6_too(proxies: str, all_of_them: str) -> None:
    assert door.trusted(proxies) == all_of_them


def test_tiles_by_plain_http_are_allowed_where_settings_say_so(settings: Settings) -> None:
    style = settings.map.model_copy(update={"style_url": "http://tiles.local:8080/style.json"})
    policy = security.content_policy(settings.model_copy(update={"map": style}))
    assert "connect-src 'self' https: http://tiles.local:8080;" in policy
    assert "script-src 'self';" in policy


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-26T15:57:02Z", datetime(2026, 1, 26, 15, 57, 2, tzinfo=UTC)),
        ("2026-01-26T15:57:02.123456Z", datetime(2026, 1, 26, 15, 57, 2, 123456, tzinfo=UTC)),
        ("2026-01-26T20:57:02.000+05:00", datetime(2026, 1, 26, 15, 57, 2, tzinfo=UTC)),
        ("2026-01-26T20:57:02+0500", datetime(2026, 1, 26, 15, 57, 2, tzinfo=UTC)),
        ("2026-01-26 15:57:02", datetime(2026, 1, 26, 15, 57, 2, tzinfo=UTC)),
        ("2026-01-26", datetime(2026, 1, 26, tzinfo=UTC)),
    ],
)
def test_times_as_clients_write_them(text: str, time: datetime) -> None:
    assert _time(text) == time


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9T:.+Z-]{1,30}\Z"))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        time = _time(text)
    except ValueError:
        return
    assert time.utcoffset() == timedelta()


@given(st.integers(0, 200 * 365 * 86400 * 1000), st.integers(-14, 14))
def test_times_are_read_back(milliseconds: int, hours: int) -> None:
    time = datetime.fromtimestamp(0, timezone(timedelta(hours=hours))) + timedelta(milliseconds=milliseconds)
    written = shapes.instant(time)
    assert len(written) == 29
    assert _time(written) == time
