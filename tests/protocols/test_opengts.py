"""OpenGTS' GPRMC servlet: queries with all their values, what is refused, and the laws."""

from __future__ import annotations

from typing import Any

import pytest

from protocols import ANSWER
from protocols.opengts import CODEC
from tests.protocols.laws import hear, hold, rows

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SENTENCE = "$GPRMC,150640.25,A,4315.3000,N,07656.7000,W,10.0,271.5,150625,,*2A"


def get(query: str) -> bytes:
    return f"GET /gprmc/Data?{query} HTTP/1.1\r\nHost: server\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            f"id=123456&acct=me&dev=car&code=0xF020&alt=785.5&batt=87&gprmc={SENTENCE}&x=a",
            {"time": "2025-06-15T15:06:40.000Z", "valid": True, "latitude": 43.255, "longitude": -76.945, "altitude_m": 785.5,
             "speed_kmh": 18.52, "course_deg": 271.5, "battery_percent": 87.0, "attributes": {"event": 0xF020, "x": "a"}},
            id="all that GPSLogger sends",
        ),
        pytest.param(
            "imei=123456&gprmc=$GPRMC,150640,V,4315.3000,S,07656.7000,E,,,150625",
            {"time": "2025-06-15T15:06:40.000Z", "valid": False, "latitude": -43.255, "longitude": 76.945, "speed_kmh": 0.0,
             "course_deg": 0.0, "attributes": {}},
            id="not vouched for, without speed and course",
        ),
        pytest.param(
            "un=123456&gprmc=$GPRMC,150640,V,,,,,,,150625,,",
            {"time": "2025-06-15T15:06:40.000Z", "valid": False, "speed_kmh": 0.0, "course_deg": 0.0, "attributes": {},
             "no_fix": True},
            id="no fix yet",
        ),
        pytest.param(
            "dev=123456&lat=43.255&lon=-76.945&speed=60.5&head=10&date=2025/6/15&time=15:06:40",
            {"time": "2025-06-15T15:06:40.000Z", "valid": True, "latitude": 43.255, "longitude": -76.945, "speed_kmh": 60.5,
             "course_deg": 10.0, "attributes": {}},
            id="no sentence, but its fields",
        ),
        pytest.param(
            "id=123456&batt=12",
            {"time": None, "valid": False, "battery_percent": 12.0, "attributes": {}, "no_fix": True},
            id="telemetry alone",
        ),
    ],
)  # fmt: skip
def test_a_query_is_read_whole(query: str, expected: dict[str, Any]) -> None:
    assert rows(CODEC, get(query)) == [expected]
    received = hear(CODEC.session(), get(query))
    assert (received.login, [frame.ack for frame in received.frames]) == ("123456", [OK])
    body = query.encode()
    form = b"POST / HTTP/1.1\r\nHost: server\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert rows(CODEC, form) == [expected]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("lat=1&lon=2", "the tracker's id is missing: send it as id="),
        ("id=1&gprmc=here", "gprmc is no GPRMC sentence: here"),
        (f"id=1&gprmc={SENTENCE.replace('4315', '9115')}", "no such place: 91.255, -76.945"),
        (f"id=1&gprmc={SENTENCE.replace('150625', '310625')}", "no such day: 2025-6-31"),
        ("id=1&lat=1", "lon is no number: "),
        ("id=1&lat=91&lon=2", "no such place: 91.0, 2.0"),
        ("id=1&batt=full", "batt is no number: full"),
    ],
)
def test_what_is_wrong_is_said(query: str, says: str) -> None:
    received = hear(CODEC.session(), get(query))
    assert [reject.reason for reject in received.rejects] == [says]
    assert [(frame.kind, frame.ack[9:12]) for frame in received.frames] == [(ANSWER, b"400")]


def test_the_laws_hold() -> None:
    hold(CODEC, [get(f"id=1&gprmc={SENTENCE}"), get("id=2&lat=1&lon=2&batt=3"), get("x=1")])
