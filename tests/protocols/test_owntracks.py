"""OwnTracks: objects of the booklet with all their values, who they are of, the answers, and the laws."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from protocols import ANSWER
from protocols.owntracks import CODEC, read_message, tracker_of
from protocols.reports import CantRead
from telematics.simulator.fix import Fix
from telematics.simulator.owntracks import Tracker
from tests.protocols.laws import hear, hold, rows

FRIENDS = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n[]"


def post(message: Any, *headers: str, path: str = "/pub") -> bytes:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    head = [f"POST {path} HTTP/1.1", "Host: server", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


PHONE = {
    "_type": "location", "topic": "owntracks/jane/phone", "tid": "jp", "tst": 1750000000, "lat": 43.255, "lon": -76.945,
    "acc": 15, "alt": -3, "vac": 2, "vel": 61, "cog": 271, "batt": 46, "bs": 2, "conn": "m", "t": "u", "m": 1, "p": 101.3,
    "SSID": "home", "inregions": ["Office"], "created_at": 1750000001,
}  # fmt: skip
GATEWAY = {
    "_type": "location", "tid": "CS", "tst": 1750000000, "lat": 47.42, "lon": 13.65, "t": "h", "rty": 4, "ign": True,
    "motion": False, "uext": 12.6, "ubatt": 4.1, "odometer": 1234.5, "hmc": 7200, "rpm": 900, "vin": "WVW", "anum": 2,
    "adda-00": "1.5", "temp_c-01": 21.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            PHONE,
            {"time": "2025-06-15T15:06:40.000Z", "valid": True, "latitude": 43.255, "longitude": -76.945, "altitude_m": -3.0,
             "speed_kmh": 61.0, "course_deg": 271.0, "accuracy_m": 15.0, "battery_percent": 46.0,
             "attributes": {"vac": 2, "conn": "m", "event": "u", "m": 1, "p": 101.3, "ssid": "home", "inregions": ["Office"],
                            "charge": True}},
            id="a phone",
        ),
        pytest.param(
            GATEWAY,
            {"time": "2025-06-15T15:06:40.000Z", "valid": True, "latitude": 47.42, "longitude": 13.65, "ignition": True,
             "motion": False, "power_v": 12.6, "battery_v": 4.1, "odometer_m": 1234500.0, "engine_hours_s": 7200.0,
             "alarm": "hardAcceleration",
             "attributes": {"event": "h", "rty": 4, "rpm": 900, "vin": "WVW", "adc1": "1.5", "temp2": 21.5}},
            id="a tracker behind a gateway",
        ),
        pytest.param(
            {"_type": "location", "tid": "JJ", "tst": 1750000000.25, "lat": 0, "lon": 0, "vel": -1, "batt": -1, "t": "I",
             "alt": "x"},
            {"time": "2025-06-15T15:06:40.250Z", "valid": True, "latitude": 0.0, "longitude": 0.0, "ignition": False,
             "attributes": {"event": "I", "alt": "x"}},
            id="below 0: not known; a letter says that the ignition is off",
        ),
        pytest.param(
            {"_type": "transition", "tid": "JJ", "tst": 1750000000, "wtst": 1, "lat": 43.5, "lon": 76.5, "acc": 10,
             "event": "leave", "desc": "Office", "t": "c"},
            {"time": "2025-06-15T15:06:40.000Z", "valid": True, "latitude": 43.5, "longitude": 76.5, "accuracy_m": 10.0,
             "alarm": "geofenceExit", "attributes": {"event": "leave", "geofence": "Office"}},
            id="a region is left",
        ),
        pytest.param(
            {"_type": "transition", "tid": "JJ", "tst": 1750000000, "event": "enter", "desc": "Home"},
            {"time": "2025-06-15T15:06:40.000Z", "valid": False, "alarm": "geofenceEnter",
             "attributes": {"event": "enter", "geofence": "Home"}, "no_fix": True},
            id="a region is entered, without a place",
        ),
        pytest.param(
            {"_type": "waypoint", "tid": "JJ", "tst": 1, "lat": 43.5, "lon": 76.5, "rad": 100, "desc": "Home"},
            {"time": None, "valid": False, "no_fix": True,
             "attributes": {"geofence": "Home", "radius": 100, "event": "waypoint"}},
            id="a region's place is not the phone's",
        ),
        pytest.param(
            {"_type": "lwt", "tid": "JJ", "tst": 1},
            {"time": None, "valid": False, "attributes": {"event": "lwt"}, "no_fix": True},
            id="a last will",
        ),
    ],
)  # fmt: skip
def test_an_object_is_read_whole(message: dict[str, Any], expected: dict[str, Any]) -> None:
    assert rows(CODEC, post(message)) == [expected]
    received = hear(CODEC.session(), post(message))
    assert [frame.ack for frame in received.frames] == [FRIENDS]
    _, reports = read_message(json.dumps(message).encode())
    assert len(reports) == 1


def test_letters_of_trackers_are_alarms() -> None:
    for trigger, alarm in (("9", "lowBattery"), ("!", "tow"), ("s", "overspeed"), ("e", "powerCut"), ("E", "powerRestored")):
        (row,) = rows(CODEC, post({**PHONE, "t": trigger}))
        assert (row["alarm"], row["attributes"]["event"]) == (alarm, trigger)  # type: ignore[index]


@pytest.mark.parametrize(
    ("message", "headers", "path", "login"),
    [
        (PHONE, [], "/pub", "owntracks-jane-phone"),
        (PHONE, ["X-Limit-U: joe", "X-Limit-D: tablet"], "/pub", "owntracks-jane-phone"),
        (GATEWAY, [], "/pub", "CS"),
        (GATEWAY, ["X-Limit-U: joe", "X-Limit-D: tablet"], "/pub", "owntracks-joe-tablet"),
        (GATEWAY, [], "/pub?u=joe&d=tablet", "owntracks-joe-tablet"),
        (GATEWAY, ["X-Limit-U: joe"], "/pub", "owntracks-joe"),
    ],
)
def test_who_it_is(message: dict[str, Any], headers: list[str], path: str, login: str) -> None:
    assert hear(CODEC.session(), post(message, *headers, path=path)).login == login


@pytest.mark.parametrize(
    ("topic", "tracker"),
    [
        ("owntracks/jane/phone", "owntracks-jane-phone"),
        ("/owntracks/jane/phone/event", "owntracks-jane-phone"),
        ("owntracks/qtripp/861234058127369/info", "owntracks-qtripp-861234058127369"),
        ("owntracks/jane/event", "owntracks-jane-event"),
    ],
)
def test_a_topic_stands_for_a_tracker(topic: str, tracker: str) -> None:
    assert tracker_of(topic) == tracker
    assert read_message(json.dumps({"_type": "card", "topic": topic}).encode()) == (tracker, [])


@pytest.mark.parametrize("body", [b"", b" \n", b'{"_type":"card","tid":"JJ","face":"aGk="}', b'{"_type":"cmd"}'])
def test_what_is_not_kept_is_answered(body: bytes) -> None:
    received = hear(CODEC.session(), post(body))
    assert [(frame.kind, frame.ack) for frame in received.frames] == [(ANSWER, FRIENDS)]
    assert (received.login, received.rejects) == (None, [])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"_type": "encrypted", "data": "aGk="},
         "encrypted messages can't be read: switch encryption off in the app, and use HTTPS"),
        ({"lat": 1, "lon": 2}, "the body is no OwnTracks object: it has no _type"),
        ([PHONE], "the body is no OwnTracks object: it has no _type"),
        ({**PHONE, "lat": 91}, "lat is out of bounds: 91.0"),
        ({**PHONE, "lon": None}, "lon is no number: None"),
        ({**PHONE, "tst": "now"}, "tst is no time in seconds: now"),
        ({**PHONE, "topic": "/", "tid": ""}, "the tracker's id is missing: the app sends it as topic, or as the headers "
         "X-Limit-U and X-Limit-D"),
        ({**PHONE, "topic": "x" * 200}, "an id has at most 128 printable characters"),
        (b"{", "the body is not JSON: Input data was truncated"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(body: Any, says: str) -> None:
    received = hear(CODEC.session(), post(body))
    (frame,) = received.frames
    assert (frame.kind, frame.ack[9:12], [reject.reason for reject in received.rejects]) == (ANSWER, b"400", [says])
    assert frame.ack.endswith(f"\r\n\r\n{says}\n".encode())


def test_a_stranger_is_told_so() -> None:
    (frame,) = hear(CODEC.session(), post(PHONE), known=False).frames
    assert (frame.kind, frame.ack[9:12]) == (ANSWER, b"404")


def test_a_payload_of_mqtt_that_cant_be_read_says_why() -> None:
    with pytest.raises(CantRead, match="encrypted"):
        read_message(b'{"_type":"encrypted","data":"x"}')


def test_what_the_simulator_says_is_understood_both_ways() -> None:
    fixes = [
        Fix(
            datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC),
            -43.25,
            76.95,
            780,
            61,
            359.6,
            odometer_m=1500,
            alarm=alarm,
            ignition=on,
        )
        for second, alarm, on in [(5, None, True), (6, "tow", False), (7, "hardBraking", True), (8, "door", False)]
    ]
    tracker = Tracker("owntracks-jane-phone")
    received = hear(CODEC.session(), tracker.report(fixes))
    assert received.login == tracker.unique_id
    assert tracker.receive(b"".join(frame.ack for frame in received.frames)) == 4
    read = list(CODEC.decode(received.frames).columns.rows())
    assert [row.get("alarm") for row in read] == [None, "tow", "hardBraking", None]
    assert [row["ignition"] for row in read] == [True, False, True, False]
    assert [row["time"] for row in read] == [f"2026-01-02T03:04:0{second}.000Z" for second in (5, 6, 7, 8)]
    told = {name: round(value, 4) for name, value in read[0].items() if isinstance(value, float)}
    assert told == {"latitude": -43.25, "longitude": 76.95, "altitude_m": 780.0, "speed_kmh": 61.0, "course_deg": 0.0,
                    "battery_percent": 90.0, "power_v": 12.6, "odometer_m": 1500.0}  # fmt: skip


def test_the_laws_hold() -> None:
    hold(
        CODEC,
        [post(PHONE), post(GATEWAY, "X-Limit-U: joe"), post({"_type": "lwt", "tid": "x"}), post(b""), b"GET / HTTP/1.1\r\n\r\n"],
    )
