"""flespi: messages with all their values, several trackers in one request, and the laws."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from protocols import ANSWER, Received, Session
from protocols.flespi import CODEC, LARGEST_BODY_BYTES, read_messages
from telematics.simulator.fix import Fix
from telematics.simulator.flespi import Tracker
from tests.protocols.laws import hear, hold, rows

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def post(messages: Any) -> bytes:
    body = messages if isinstance(messages, bytes) else json.dumps(messages).encode()
    return f"POST / HTTP/1.1\r\nHost: server\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


FIX = {
    "ident": "352625333222111", "timestamp": 1750000000.25, "position.latitude": 43.255, "position.longitude": -76.945,
    "position.altitude": 785, "position.speed": 60.5, "position.direction": 271, "position.satellites": 11, "position.hdop": 0.9,
    "engine.ignition.status": True, "movement.status": False, "external.powersource.voltage": 12.6, "battery.voltage": 4.1,
    "battery.level": 87, "vehicle.mileage": 1234.5, "can.fuel.volume": 40, "gsm.signal.level": 75, "din": 3, "dout": 1,
    "ibutton.code": "A1", "report.reason": 7, "can.fuel.level": 55, "can.engine.rpm": 900, "can.engine.temperature#2": 90,
    "ain#1": 0.5, "custom.note": "x", "shock.event.trigger": True, "towing.alarm.status": False, "hood.open.status": True,
    "none": None, "device.type.id": 9,
}  # fmt: skip
STATUS = {"ident": "352625333222111", "timestamp": 1750000001, "alarm.event.trigger": True, "battery.level": "low"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            FIX,
            {"time": "2025-06-15T15:06:40.250Z", "valid": True, "latitude": 43.255, "longitude": -76.945, "altitude_m": 785.0,
             "speed_kmh": 60.5, "course_deg": 271.0, "satellites": 11.0, "ignition": True, "motion": False, "power_v": 12.6,
             "battery_v": 4.1, "battery_percent": 87.0, "odometer_m": 1234500.0, "fuel_l": 40.0, "gsm": 75.0,
             "alarm": "vibration,bonnet",
             "attributes": {"hdop": 0.9, "input": 3, "output": 1, "driverUniqueId": "A1", "event": 7, "fuel": 55, "rpm": 900,
                            "temp2": 90, "ain#1": 0.5, "custom.note": "x", "device.type.id": 9}},
            id="a fix",
        ),
        pytest.param(
            STATUS,
            {"time": "2025-06-15T15:06:41.000Z", "valid": False, "alarm": "general", "attributes": {"battery.level": "low"},
             "no_fix": True},
            id="no place; what is no number stays as it came",
        ),
        pytest.param(
            {**STATUS, "position.latitude": 0, "position.longitude": 0.0, "position.valid": True, "timestamp": "soon"},
            {"time": None, "valid": False, "alarm": "general", "attributes": {"battery.level": "low", "timestamp": "soon"},
             "no_fix": True},
            id="0/0 is how devices say that they have no fix",
        ),
        pytest.param(
            {"ident": 1, "timestamp": 1750000001, "position.latitude": 0, "position.longitude": 7, "position.valid": False},
            {"time": "2025-06-15T15:06:41.000Z", "valid": False, "latitude": 0.0, "longitude": 7.0, "attributes": {}},
            id="on the equator, not vouched for",
        ),
    ],
)  # fmt: skip
def test_a_message_is_read_whole(message: dict[str, Any], expected: dict[str, Any]) -> None:
    assert rows(CODEC, post([message])) == [expected]
    assert rows(CODEC, post(message)) == [expected]  # one alone, as MQTT brings them
    assert read_messages(json.dumps(message).encode())[0][0] == str(message["ident"])


def of(ident: Any, second: int) -> dict[str, Any]:
    return {"ident": ident, "timestamp": 1750000000 + second, "position.latitude": 1, "position.longitude": 2}


def known(session: Session, data: bytes, ours: set[str]) -> tuple[list[tuple[str, str, bytes]], list[str]]:
    """Each frame's tracker, kind and answer; and who was asked for."""
    told, asked, speaker = [], [], ""
    received: Received = session.receive(data)
    while True:
        told += [(speaker, frame.kind, frame.ack) for frame in received.frames]
        if received.login is None:
            return told, asked
        asked.append(received.login)
        speaker = received.login if received.login in ours else "?"
        received = session.admit(received.login in ours)


@pytest.mark.parametrize(
    ("ours", "frames"),
    [
        ({"a", "b"}, [("a", "location", b""), ("b", "location", OK)]),
        ({"a"}, [("a", "location", b""), ("?", ANSWER, OK)]),
        ({"b"}, [("b", "location", OK)]),
        (set(), [("?", ANSWER, OK)]),
    ],
)
def test_each_tracker_is_asked_for_once_and_the_answer_comes_last(ours: set[str], frames: list[tuple[str, str, bytes]]) -> None:
    """A stranger keeps nobody else's messages waiting: flespi would send the whole list again and again."""
    session = CODEC.session()
    data = post([of("a", 0), of("b", 1), of("a", 2), {"timestamp": 1}])
    assert known(session, data, ours) == (frames, ["a", "b"])
    (frame,) = hear(session, post([of("c", 5)])).frames  # and the connection goes on
    assert frame.ack == OK


def test_messages_of_one_tracker_are_one_frame() -> None:
    received = hear(CODEC.session(), post([of("a", 0), of("b", 1), of("a", 2)]))
    columns = CODEC.decode(received.frames).columns
    assert columns.frame.tolist() == [0, 0, 1]
    assert [row["time"][17:19] for row in columns.rows()] == ["40", "42", "41"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "the body is not JSON: Input data was truncated"),
        ([1], 400, "the body is no list of messages"),
        (
            [{"ident": n} for n in range(2001)],
            400,
            "a list is of at most 2000 trackers: let the stream send fewer messages at once",
        ),
        ([{"timestamp": 1}], 400, "no message says by ident which tracker it is of"),
        ([of("a" * 200, 1)], 400, "an id has at most 128 printable characters"),
        (b" " * (LARGEST_BODY_BYTES + 1), 413, f"a body has at most {LARGEST_BODY_BYTES} bytes"),
    ],
)
def test_what_is_wrong_is_said(body: Any, status: int, says: str) -> None:
    received = hear(CODEC.session(), post(body))
    assert [reject.reason for reject in received.rejects] == [says]
    assert [(frame.kind, frame.ack[9:12]) for frame in received.frames] == [(ANSWER, b"%d" % status)]


def test_an_empty_list_is_answered() -> None:
    assert [frame.ack for frame in hear(CODEC.session(), post([])).frames] == [OK]


def test_what_the_simulator_says_is_understood_both_ways() -> None:
    fixes = [Fix(datetime(2026, 1, 2, 3, 4, 5 + n, tzinfo=UTC), 43.25, -76.95, 780, 61.5, 90, alarm=alarm, odometer_m=1500)
             for n, alarm in enumerate((None, "tow", "jamming"))]  # fmt: skip
    tracker = Tracker("352625333222111")
    session = CODEC.session()
    received = hear(session, tracker.report(fixes) + tracker.report(fixes[:1]))
    assert received.login == tracker.unique_id
    assert tracker.receive(b"".join(frame.ack for frame in received.frames)) == 4
    read = list(CODEC.decode(received.frames[:1]).columns.rows())
    assert [row.get("alarm") for row in read] == [None, "tow", "jamming"]
    told = {name: round(value, 4) for name, value in read[0].items() if isinstance(value, float)}
    assert told == {"latitude": 43.25, "longitude": -76.95, "altitude_m": 780.0, "speed_kmh": 61.5, "course_deg": 90.0,
                    "satellites": 12.0, "power_v": 12.6, "battery_percent": 90.0, "gsm": 4.0, "odometer_m": 1500.0}  # fmt: skip
    assert [row["time"] for row in read] == [f"2026-01-02T03:04:0{second}.000Z" for second in (5, 6, 7)]


def test_the_laws_hold() -> None:
    hold(CODEC, [post([FIX, STATUS]), post([of("a", 0), of("b", 1)]), post([]), post(b"{")])
