"""OsmAnd and Traccar Client over HTTP: requests with all their values, the answers in their order, and laws."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import ALARMS, ANSWER, Frame, Received, Session
from protocols.osmand import CODEC, LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES, Connection
from telematics.simulator.fix import Fix
from telematics.simulator.osmand import Tracker

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: server\r\nTransfer-Encoding: chunked\r\n\r\n"
GO_ON = b"HTTP/1.1 100 \r\n\r\n"


def get(query: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} /?{query} HTTP/1.1", "Host: server", *headers, "", ""]).encode()


def post(body: str | bytes, *headers: str, query: str = "") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    target = f"/?{query}" if query else "/"
    return (
        "\r\n".join([f"POST {target} HTTP/1.1", "Host: server", f"Content-Length: {len(data)}", *headers, "", ""]).encode() + data
    )


def post_json(message: Any, *headers: str) -> bytes:
    return post(json.dumps(message), "Content-Type: application/json; charset=utf-8", *headers)


def hear(session: Session, data: bytes, *, known: bool = True) -> tuple[list[Frame], list[str], list[str]]:
    """Frames, logins and what was rejected, when every login is answered the same way."""
    received = session.receive(data)
    frames, logins, rejects = received.frames, [], [reject.reason for reject in received.rejects]
    while received.login is not None:
        logins.append(received.login)
        received = session.admit(known)
        frames += received.frames
        rejects += [reject.reason for reject in received.rejects]
        assert not received.reply
    return frames, logins, rejects


def rows(data: bytes) -> list[dict[str, Any]]:
    frames, _, rejects = hear(Connection(), data)
    assert not rejects
    decoded = CODEC.decode([frame for frame in frames if frame.kind != ANSWER])
    assert not decoded.unreadable
    return [{name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
            for row in decoded.columns.rows()]  # fmt: skip


QUERIES = [
    pytest.param(
        "id=123456&lat=43.255&lon=76.945&timestamp=1750000000&hdop=1.5&altitude=785.2&speed=27",  # OsmAnd's own template
        {"time": "2025-06-15T15:06:40.000Z", "valid": True, "latitude": 43.255, "longitude": 76.945, "altitude_m": 785.2,
         "speed_kmh": 50.004, "attributes": {"hdop": 1.5}},
        id="OsmAnd: speed in knots",
    ),
    pytest.param(
        "id=123456&timestamp=1750000000&lat=-43.255&lon=-76.945&speed=0.0&bearing=359.5&altitude=-3.0&accuracy=12.5&batt=87.0"
        "&charge=true",
        {"time": "2025-06-15T15:06:40.000Z", "valid": True, "latitude": -43.255, "longitude": -76.945, "altitude_m": -3.0,
         "speed_kmh": 0.0, "course_deg": 359.5, "accuracy_m": 12.5, "battery_percent": 87.0, "attributes": {"charge": True}},
        id="Traccar Client before 9.0",
    ),
    pytest.param(
        "deviceid=123456&location=43.255,76.945&valid=0&heading=10&driverUniqueId=007&door=false&count=12&t1=-3.5&code=0042"
        "&note=caf%C3%A9+au+lait&empty=",
        {"time": None, "valid": False, "latitude": 43.255, "longitude": 76.945, "course_deg": 10.0,
         "attributes": {"driverUniqueId": "007", "door": False, "count": 12, "t1": -3.5, "code": "0042", "note": "café au lait"}},
        id="any other parameter, typed by its looks; no timestamp: the server's",
    ),
    pytest.param(
        "id=123456&timestamp=1750000000123&ignition=true&motion=0&power=12.6&battery=3.9&sat=9&odometer=1234.5&hours=3600000"
        "&fuel=40&rssi=21&alarm=sos,door",
        {"time": "2025-06-15T15:06:40.123Z", "valid": False, "satellites": 9.0, "ignition": True, "motion": False,
         "power_v": 12.6, "battery_v": 3.9, "odometer_m": 1234.5, "engine_hours_s": 3600.0, "fuel_l": 40.0, "gsm": 21.0,
         "alarm": "sos,door", "attributes": {}, "no_fix": True},
        id="telemetry by Traccar's names, and no place",
    ),
    pytest.param(
        "id=123456&cell=257,02,16,2224&cell=257,02,16,2223,-90&wifi=00-14-22-01-23-45,-80&cell=here&wifi=there&ignition=warm"
        "&alarm=smoke",
        {"time": None, "valid": False, "no_fix": True, "attributes": {
            "ignition": "warm", "alarm": "smoke", "network": {
                "cellTowers": [
                    {"mobileCountryCode": 257, "mobileNetworkCode": 2, "locationAreaCode": 16, "cellId": 2224},
                    {"mobileCountryCode": 257, "mobileNetworkCode": 2, "locationAreaCode": 16, "cellId": 2223,
                     "signalStrength": -90}],
                "wifiAccessPoints": [{"macAddress": "00:14:22:01:23:45", "signalStrength": -80}],
                "unread": ["cell=here", "wifi=there"]}}},
        id="cells and access points; what no column can hold stays an attribute",
    ),
    pytest.param(
        "id=123456&lat=0&lon=0&speed=-1&bearing=-1&accuracy=-1&batt=-100",
        {"time": None, "valid": True, "latitude": 0.0, "longitude": 0.0, "attributes": {}},
        id="below zero means not known; 0, 0 is a place",
    ),
    pytest.param(
        "id=123456&lat=43.255&lon=76.945&speed=fast&bearing=361&altitude=1e99&batt=full",
        {"time": None, "valid": True, "latitude": 43.255, "longitude": 76.945,
         "attributes": {"speed": "fast", "bearing": "361", "altitude": "1e99", "batt": "full"}},
        id="what is wrong beside the place and the time is kept as it came",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_a_query_and_a_form_are_read_whole(query: str, expected: dict[str, Any]) -> None:
    assert rows(get(query)) == [expected]
    assert rows(post("", query=query)) == [expected]
    assert rows(post(query, "Content-Type: application/x-www-form-urlencoded")) == [expected]
    assert rows(post(query)) == [expected]


@pytest.mark.parametrize(
    ("timestamp", "time"),
    [
        ("1750000000", "2025-06-15T15:06:40.000Z"),
        ("1750000000.25", "2025-06-15T15:06:40.250Z"),
        ("1750000000250", "2025-06-15T15:06:40.250Z"),
        ("2025-06-15T15:06:40Z", "2025-06-15T15:06:40.000Z"),
        ("2025-06-15T15:06:40.25Z", "2025-06-15T15:06:40.250Z"),
        ("2025-06-15T20:06:40+05:00", "2025-06-15T15:06:40.000Z"),
        ("2025-06-15T20:06:40.250+0500", "2025-06-15T15:06:40.250Z"),
        ("2025-06-15T15:06:40", "2025-06-15T15:06:40.000Z"),
        ("2025-06-15 15:06:40", "2025-06-15T15:06:40.000Z"),
    ],
)
def test_every_way_to_write_a_moment(timestamp: str, time: str) -> None:
    assert rows(get(urlencode({"id": 1, "timestamp": timestamp})))[0]["time"] == time
    assert rows(get(f"id=1&timestamp={timestamp.replace(' ', '%20')}"))[0]["time"] == time  # with the "+" not escaped


DOCUMENTED = {  # shaped as the example of traccar.org/osmand
    "location": {
        "timestamp": "2000-01-01T00:00:00.000Z",
        "coords": {"latitude": 0.0, "longitude": 0.0, "accuracy": 0, "speed": 0, "heading": 0, "altitude": 0},
        "is_moving": False,
        "odometer": 0,
        "event": "motionchange",
        "battery": {"level": 1, "is_charging": False},
        "activity": {"type": "still"},
        "extras": {},
    },
    "device_id": "73150926",
}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            DOCUMENTED,
            {"time": "2000-01-01T00:00:00.000Z", "valid": True, "latitude": 0.0, "longitude": 0.0, "altitude_m": 0.0,
             "speed_kmh": 0.0, "course_deg": 0.0, "accuracy_m": 0.0, "motion": False, "battery_percent": 100.0, "odometer_m": 0.0,
             "attributes": {"charge": False, "activity": "still", "event": "motionchange"}},
            id="the example of the documentation",
        ),
        pytest.param(
            {"device_id": 73150926, "location": {
                "timestamp": 1750000000250, "uuid": "x", "mock": True, "is_moving": True, "odometer": 12.5, "alarm": "sos",
                "coords": {"latitude": 43.255, "longitude": 76.945, "speed": 10, "heading": -1, "accuracy": -1, "altitude": 785.5,
                           "floor": None, "speed_accuracy": -1},
                "battery": {"level": -1, "is_charging": True}, "activity": {"type": "in_vehicle", "confidence": 90},
                "geofence": {"identifier": "home", "action": "EXIT"},
                "extras": {"alarm": "door", "ignition": True, "power": 12.5, "n": 1, "text": "a\0b", "list": [1, "x\0"],
                           "none": None}}},
            {"time": "2025-06-15T15:06:40.250Z", "valid": True, "latitude": 43.255, "longitude": 76.945, "altitude_m": 785.5,
             "speed_kmh": 36.0, "ignition": True, "motion": True, "power_v": 12.5, "odometer_m": 12.5, "alarm": "sos",
             "attributes": {"charge": True, "activity": "in_vehicle", "mock": True, "n": 1, "text": "ab", "list": [1, "x"],
                            "geofence": {"identifier": "home", "action": "EXIT"}}},
            id="speed in m/s; below zero is not known; no NUL reaches the database",
        ),
        pytest.param(
            {"device_id": "73150926", "location": {"timestamp": "2025-06-15T15:06:40Z", "event": "heartbeat"}},
            {"time": "2025-06-15T15:06:40.000Z", "valid": False, "attributes": {"event": "heartbeat"}, "no_fix": True},
            id="no coordinates",
        ),
    ],
)  # fmt: skip
def test_json_is_read_whole(message: Any, expected: dict[str, Any]) -> None:
    assert rows(post_json(message)) == [expected]
    assert rows(post(json.dumps(message))) == [expected]  # some forget to say that it is JSON
    assert hear(Connection(), post_json(message))[1] == ["73150926"]


@pytest.mark.parametrize(
    "batch",
    [
        {"device_id": "1", "location": [{"timestamp": 1750000000000}, {"timestamp": 1750000001000}]},
        [
            {"device_id": "1", "location": {"timestamp": 1750000000000}},
            {"location": {"timestamp": 1750000001000}, "device_id": "1"},
        ],
    ],
)
def test_a_batch_is_one_frame_of_several_rows(batch: Any) -> None:
    frames, logins, _ = hear(Connection(), post_json(batch))
    assert ([frame.ack for frame in frames], logins) == ([OK], ["1"])
    columns = CODEC.decode([*frames, *frames]).columns
    assert columns.frame.tolist() == [0, 0, 1, 1]
    assert [row["time"][17:19] for row in columns.rows()] == ["40", "41"] * 2


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (get("lat=1&lon=2"), "the tracker's id is missing: send it as id="),
        (get(""), "the tracker's id is missing: send it as id="),
        (get("id=%20&lat=1&lon=2"), "the tracker's id is missing: send it as id="),
        (get("id=1&deviceid=2"), "a request is of one tracker, this has several ids"),
        (get("id=%0A1"), None),  # blanks around an id are nobody's intention
        (get("id=a%07b"), "an id has at most 128 printable characters"),
        (get("id=1&lat=91&lon=2"), "latitude is out of bounds: 91"),
        (get("id=1&lat=x&lon=2"), "latitude is no number: x"),
        (get("id=1&lat=nan&lon=2"), "latitude is no number: nan"),
        (get("id=1&lat=1&lon=-181"), "longitude is out of bounds: -181"),
        (get("id=1&lat=1"), "latitude and longitude come together, or not at all"),
        (get("id=1&location=1"), "longitude is no number: "),
        (get("id=1&timestamp=yesterday"), "timestamp can't be read: yesterday"),
        (get("id=1&timestamp=999999999999999"), "timestamp is out of bounds: 999999999999999"),
        (get("id=1&timestamp=0001-01-01T00:00:00"), "timestamp is out of bounds: 0001-01-01T00:00:00"),
        (get("id=1" + "&a=1" * 500), "a request has at most 500 parameters"),
        (post_json([]), "the tracker's id is missing: send it as id="),
        (post_json({"device_id": "1"}), "location is missing"),
        (post_json({"device_id": "1", "location": []}), "location is missing"),
        (post_json({"device_id": "1", "location": {"coords": []}}), "coords is no object"),
        (
            post_json({"device_id": "1", "location": {"coords": {"latitude": True, "longitude": 1}}}),
            "latitude is no number: True",
        ),
        (post_json({"location": {}}), "the tracker's id is missing: send it as id="),
        (post_json(1), "the body is no object with device_id and location"),
    ],
)
def test_an_unusable_request_is_told_why(request_: bytes, says: str | None) -> None:
    frames, logins, rejects = hear(Connection(), request_ + get("id=1"))
    if says is None:
        assert logins == ["1"]
        return
    assert rejects == [says]
    assert frames[0].kind == ANSWER
    assert frames[0].ack.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert frames[0].ack.endswith(f"\r\n\r\n{says}\n".encode())
    assert (frames[1].ack, logins) == (OK, ["1"])  # and the connection goes on


def test_json_that_is_none_is_told_so() -> None:
    for body in (b"{", b"[" * 60000, b'{"device_id": "\xff"}', b'{"location": NaN}'):
        (frame,), _, (reason,) = hear(Connection(), post(body, "Content-Type: application/json"))
        assert (frame.ack[:12], frame.last) == (b"HTTP/1.1 400", False)
        assert reason.startswith("the body is not JSON: ")


def test_an_unknown_tracker_is_told_what_to_do_and_asked_for_again() -> None:
    session = Connection()
    assert session.receive(get("id=1") + get("id=1")).login == "1"
    received = session.admit(False)
    assert received.login == "1"
    (frame,) = received.frames
    assert (frame.kind, frame.ack[:22], frame.last) == (ANSWER, b"HTTP/1.1 404 Not Found", False)
    assert b"no tracker has the id 1: add it" in frame.ack
    assert [frame.ack for frame in session.admit(True).frames] == [OK]
    assert session.receive(get("id=1")).login is None  # one of ours is asked for once


def test_answers_keep_the_order_of_requests() -> None:
    session = Connection()
    frames, logins, _ = hear(
        session, get("id=1&lat=1&lon=1") + get("nonsense") + get("id=2") + get("id=2", "Connection: close") + get("id=2")
    )
    assert logins == ["1", "2"]
    assert [(frame.kind, frame.ack[9:12], frame.last) for frame in frames] == [
        ("location", b"200", False), (ANSWER, b"400", False), ("location", b"200", False), ("location", b"200", True),
    ]  # fmt: skip
    assert b"\r\nConnection: close\r\n" in frames[-1].ack
    assert session.receive(get("id=2")) == Received()


def test_a_head_without_end_is_bounded() -> None:
    session = Connection()
    assert session.receive(b"GET /?id=1&x=" + b"x" * LARGEST_HEAD_BYTES) == Received()
    (frame,) = session.receive(b"x" * LARGEST_HEAD_BYTES).frames
    assert (frame.ack[9:12], frame.last) == (b"431", True)


def test_http_1_0_ends_with_its_answer() -> None:
    frames, _, _ = hear(Connection(), b"GET /?id=1 HTTP/1.0\r\n\r\n")
    assert [frame.last for frame in frames] == [True]


def test_a_client_that_waits_is_told_to_go_on() -> None:
    head, body = post("id=1&lat=1&lon=2", "Expect: 100-continue").split(b"\r\n\r\n")
    session = Connection()
    first = session.receive(head + b"\r\n\r\n")
    assert [(frame.kind, frame.ack, frame.last) for frame in first.frames] == [(ANSWER, GO_ON, False)]
    assert [frame.ack for frame in hear(session, body)[0]] == [OK]


def test_a_chunked_body_is_put_together() -> None:
    frames, logins, _ = hear(Connection(), CHUNKED + b"4\r\nid=1\r\n6\r\n&lat=1\r\n6\r\n&lon=2\r\n0\r\n\r\n")
    assert ([frame.ack for frame in frames], logins) == ([OK], ["1"])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("id=1&x=" + "x" * LARGEST_HEAD_BYTES), 431),
        (get("id=1", *["X-Header: " + "x" * 1000] * 17), 431),
        (post("x" * (LARGEST_BODY_BYTES + 1)), 413),
        (post("x" * (LARGEST_BODY_BYTES + 1), "Expect: 100-continue"), 413),
        (CHUNKED + b"8000\r\n" + b"x" * 32768 + b"\r\n8001\r\n" + b"x" * 32769, 413),
        (get("id=1", method="HEAD"), 405),
        (get("id=1", method="DELETE"), 405),
        (get("id=1", method="CONNECT"), 405),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"#P#\r\n\r\n", 400),
        (get("id=1", "Transfer-Encoding: gzip"), 501),
    ],
)  # fmt: skip
def test_what_is_no_such_request_is_answered_and_hung_up_on(request_: bytes, status: int) -> None:
    whole, byte_by_byte = Connection(), Connection()
    frames, logins, rejects = hear(whole, request_ + get("id=1"))
    assert (len(frames), logins, len(rejects)) == (1, [], 1)
    assert (frames[0].kind, frames[0].ack[9:12], frames[0].last) == (ANSWER, b"%d" % status, True)
    assert b"\r\nConnection: close\r\n" in frames[0].ack
    assert frames[0].ack.endswith(b"\r\n\r\n") == (b"HEAD" in request_)
    assert whole.receive(get("id=1")) == Received()
    assert [
        frame for place in range(len(request_)) for frame in byte_by_byte.receive(request_[place : place + 1]).frames
    ] == frames


# --- Laws --------------------------------------------------------------------------------------------------------------------

PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [get("id=1&lat=1&lon=2"), get("id=2", "Connection: close"), get("x"), post("id=1"),
             post("id=3", "Expect: 100-continue"), post_json(DOCUMENTED), post("id=1&a=b")[:-3], b"GET ", b"\r\n",
             b"Content-Length: 3\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n", CHUNKED, b"3\r\nid=\r\n", b"0\r\n\r\n"]
        ),
        st.binary(max_size=8),
    ),
    max_size=8,
).map(b"".join)  # fmt: skip
QUERY_TEXT = st.lists(
    st.one_of(
        st.sampled_from(
            ["id=1", "&", "=", "lat=", "lon=", "1", "-", ".", "timestamp=", "2025-06-15T", "location=", "1,2", "cell=", "1,2,3,4",
             "wifi=", "alarm=sos", "%00", "%ff", "+", "sat=", "ignition=1", "1e999", "nan", "speed="]
        ),
        st.text(st.characters(codec="ascii", exclude_characters=" \r\n#"), max_size=5),
    )
).map("".join)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(PIECES, st.lists(st.integers(0, 800), max_size=6), st.booleans())
def test_any_cut_gives_the_same(data: bytes, cuts: list[int], known: bool) -> None:
    whole = hear(Connection(), data, known=known)
    session = Connection()
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    parts = [hear(session, data[start:end], known=known) for start, end in pairwise(edges)]
    for place, all_of_it in enumerate(whole):
        assert [thing for part in parts for thing in part[place]] == all_of_it


@settings(max_examples=80, deadline=None)
@given(PIECES, QUERY_TEXT, st.binary(max_size=30))
def test_any_bytes_are_read_or_refused(data: bytes, query: str, payload: bytes) -> None:
    for bytes_ in (data, post(query), post(query, "Content-Type: application/json"), get(query.replace("\x7f", ""))):
        frames, _, _ = hear(Connection(), bytes_)
        decoded = CODEC.decode([frame for frame in frames if frame.kind != ANSWER])
        assert not decoded.unreadable
        list(decoded.columns.rows())
    decoded = CODEC.decode([Frame("location", payload)])
    assert len(decoded.columns) + len(decoded.unreadable) >= (payload.strip() != b"[]")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(sorted(DOCUMENTED["location"])), inner)),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(JSON)
def test_any_json_is_read_or_refused(location: Any) -> None:
    for message in (location, {"device_id": "1", "location": location}):
        frames, _, rejects = hear(Connection(), post_json(message))
        assert [frame.ack[9:12] for frame in frames] == [b"400" if rejects else b"200"]
        list(CODEC.decode([frame for frame in frames if frame.kind != ANSWER]).columns.rows())


@settings(max_examples=40, deadline=None)
@given(st.lists(QUERY_TEXT, max_size=6))
def test_many_together_are_what_they_are_one_by_one(queries: list[str]) -> None:
    frames = [frame for query in queries for frame in hear(Connection(), post(query))[0] if frame.kind != ANSWER]
    together = CODEC.decode(frames).columns
    assert [json.dumps(row) for row in together.rows()] == [
        json.dumps(row) for frame in frames for row in CODEC.decode([frame]).columns.rows()
    ]
    assert together.frame.tolist() == list(range(len(frames)))


FIXES = st.builds(
    Fix,
    time=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    altitude_m=st.floats(-400, 9000),
    speed_kmh=st.floats(0, 300),
    course_deg=st.floats(0, 360),
    satellites=st.integers(0, 40),
    ignition=st.booleans(),
    power_v=st.floats(0, 48),
    battery_percent=st.integers(0, 100),
    gsm=st.integers(0, 31),
    odometer_m=st.integers(0, 10**9),
    alarm=st.sampled_from((None, *ALARMS)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(FIXES, min_size=1, max_size=4))
def test_what_the_simulator_says_is_understood_both_ways(fixes: list[Fix]) -> None:
    tracker = Tracker("phone 1&2")
    frames, logins, _ = hear(Connection(), tracker.hello() + tracker.report(fixes))
    assert logins == [tracker.unique_id]
    assert tracker.receive(b"".join(frame.ack for frame in frames)) == len(fixes)
    near = pytest.approx
    for row, fix in zip(CODEC.decode(frames).columns.rows(), fixes, strict=True):
        assert datetime.fromisoformat(row["time"]) == fix.time
        assert (row["valid"], row["ignition"], row.get("alarm")) == (True, fix.ignition, fix.alarm)
        assert (row["latitude"], row["longitude"]) == (near(fix.latitude, abs=1e-7), near(fix.longitude, abs=1e-7))
        assert (row["speed_kmh"], row["course_deg"]) == (near(fix.speed_kmh, abs=0.001), near(fix.course_deg, abs=0.1))
        assert (row["altitude_m"], row["power_v"]) == (near(fix.altitude_m, abs=0.1), near(fix.power_v, abs=0.001))
        told = (row["satellites"], row["battery_percent"], row["gsm"], row["odometer_m"])
        assert told == (fix.satellites, fix.battery_percent, fix.gsm, fix.odometer_m)


def test_the_simulator_counts_what_was_stored_however_the_answers_are_cut() -> None:
    tracker, fix = Tracker("1"), Fix(datetime(2026, 1, 1, tzinfo=UTC), 43.2, 76.9)
    assert tracker.accepted
    tracker.report([fix] * 4)
    refusal = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nsorry"
    counted = [tracker.receive(bytes([byte])) for byte in OK + OK + refusal]
    assert (sum(counted), counted[len(OK) - 1], tracker.accepted) == (2, 1, False)
    assert tracker.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") == 1
    assert tracker.receive(OK) == 0
    noise = Tracker("1")
    noise.report([fix])
    assert noise.receive(b"#AL#1\r\n\r\n") == 0


# --- Real packets ------------------------------------------------------------------------------------------------------------

SCORER = Path(__file__).parents[2].parent / "shared" / "tools" / "packet-score"


@pytest.mark.skipif(not SCORER.exists(), reason="the collection of real packets is not beside the project")
def test_real_packets_are_read() -> None:
    command = [sys.executable, str(SCORER), "--json", "--telematics", str(Path(sys.executable).with_name("telematics")), "osmand"]
    right, count = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0])[
        "osmand"
    ]
    assert right >= 0.95 * count
