"""Arnavi: records of tags and lines of text built by hand, what is answered, and the laws."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from typing import Any

import pytest

from protocols import ANSWER
from protocols.arnavi import CODEC, Link
from tests.protocols import laws
from tests.protocols.laws import rounded

IMEI = "350000000000444"
TIME = 1709622489  # 2024-03-05 07:08:09


def header(version: int, imei: str = IMEI) -> bytes:
    return bytes((0xFF, version)) + int(imei).to_bytes(8, "little") + (b"\1\2\3\4\5\6\7\x08" if version == 0x24 else b"")


def record(content: str | bytes, kind: int = 1) -> bytes:
    content = bytes.fromhex(content) if isinstance(content, str) else content
    summed = struct.pack("<I", TIME) + content
    return struct.pack("<BH", kind, len(content)) + summed + bytes((sum(summed) & 0xFF,))


def package(*records: bytes, number: int = 1) -> bytes:
    return bytes((0x5B, number)) + b"".join(records) + b"\x5d"


def line(text: str) -> bytes:
    return f"{text}*{reduce(xor, text[1:].encode()):02X}\r\n".encode()


def session() -> Link:
    return Link(now=lambda: datetime(2024, 3, 5, 7, 8, 9, tzinfo=UTC))


def rows(data: bytes) -> list[dict[str, Any]]:
    received = laws.hear(session(), data)
    decoded = CODEC.decode(received.frames)
    assert (received.rejects, list(decoded.unreadable)) == ([], [])
    return [rounded(row) for row in decoded.columns.rows()]


# 43.25 N 76.9375 E, both of which four bytes can say; course 300, 790 m, 7 GPS and 4 GLONASS satellites, 33 knots
PLACE = f"03 {struct.pack('<f', 43.25).hex()} 04 {struct.pack('<f', 76.9375).hex()} 05 96 4f 47 21"
FIX: dict[str, Any] = {
    "time": "2024-03-05T07:08:09.000Z", "valid": True, "latitude": 43.25, "longitude": 76.9375, "altitude_m": 790.0,
    "speed_kmh": 61.116, "course_deg": 300.0, "satellites": 11.0, "attributes": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "row"),
    [
        pytest.param(PLACE, FIX, id="a place"),
        pytest.param(
            PLACE.replace("4721", "fe00").replace("47 21", "fe 00"),
            {name: FIX[name] for name in ("time", "latitude", "longitude", "attributes")} | {"valid": False},
            id="a place of cells",
        ),
        pytest.param(
            "01 0410 3831 02 0a000000",
            {
                "time": "2024-03-05T07:08:09.000Z", "valid": False, "power_v": 12.6, "battery_v": 4.1, "no_fix": True,
                "attributes": {"driverUniqueId": "10"},
            },
            id="no place: telemetry alone, with voltages and the driver's key",
        ),
        pytest.param(PLACE + "01 0000 ffff", FIX, id="no voltages"),
        pytest.param(
            PLACE + "06 01 03 3412 06 06 02 0700 06 07 03 0800 06 08 01 1027 06 09 00 0000",
            FIX | {"ignition": True, "attributes": {"callButton": True, "input": 0x1234, "pulses2": 7, "freq3": 8, "adc1": 10.0}},
            id="inputs in all their ways",
        ),
        pytest.param(
            PLACE + "07 0a00 0b00 08 03 9101 15 09 05c31900",
            FIX | {
                "gsm": 21.0, "motion": True, "alarm": "sos",
                "attributes": {
                    "cid": 10, "lac": 11, "mnc": 3, "mcc": 401, "status": 0x19C305, "input": 5, "output": 3, "armed": True,
                },
            },
            id="network and status",
        ),
        pytest.param(
            PLACE + "33 00421100 34 64000000 35 d2040000 36 d2040000 37 f4010000 38 32000000 39 4c040000 3a 50000000 3b 52000000 "
            "3c 01000000 40 05000000 45 28 32 0100 47 5a00 0000 4f 5000 c800 48 ffff 0000 97 4600 0000 e0 01020304",
            FIX | {
                "engine_hours_s": 3600.0, "odometer_m": 12340.0, "fuel_l": 50.0,
                "attributes": {
                    "canStatus": 0x114200, "doorDriver": False, "doorPassenger": True, "trunkOpen": False, "hoodOpen": False,
                    "handbrake": False, "brakePedal": False, "engineRunning": True, "canIgnition": True, "keyInIgnition": False,
                    "fuelUsed": pytest.approx(123.4), "fuel": pytest.approx(50.0), "rpm": 1100, "engineTemp": 80, "obdSpeed": 82,
                    "axleLoad1": 1, "axleLoad5": 5, "throttle": 40, "engineLoad": 50, "motionStatus": 1, "llsLevel1": 90,
                    "llsTemp1": -10.0, "llsLevel9": 80, "llsTemp9": 10.0, "hdop": 0.7,
                },
            },
            id="CAN, fuel sensors, and a tag that nobody knows",
        ),
    ],
)  # fmt: skip
def test_a_record_is_read_whole(content: str, row: dict[str, Any]) -> None:
    assert rows(package(record(content), record(content))) == [row, row]


def test_other_records() -> None:
    read = rows(package(record(b"", 0), record(b"hello", 3), record(b"\1\2", 4), record(b"\3", 6), record(PLACE)))
    assert read == [
        {"time": "2024-03-05T07:08:09.000Z", "valid": False, "no_fix": True, "attributes": {"result": "hello"}},
        FIX,
    ]


CLOCK = bytes((4, 0, 0xD9 + 0xC4 + 0xE6 + 0x65 & 0xFF)) + struct.pack("<I", TIME)


@pytest.mark.parametrize(
    ("version", "welcome"),
    [
        (0x22, b"\x7b\0\0\x7d"),
        (0x23, b"\x7b" + CLOCK + b"\x7d"),
        (0x24, b"\x7b" + CLOCK + b"\x7d"),
        (0x25, b"\x7b" + CLOCK + b"\x7d"),
    ],
)
def test_a_login_is_answered_at_once_and_records_after_the_commit(version: int, welcome: bytes) -> None:
    tracker = session()
    assert tracker.receive(header(version)).login == IMEI
    assert tracker.admit(True).reply == welcome
    received = tracker.receive(package(record(PLACE), number=9) + package(record(b"", 0), number=10) + b"\x5b\xfd\x01\x5d")
    assert received.reply == b""
    assert [(frame.kind == ANSWER, frame.ack) for frame in received.frames] == [
        (False, b"\x7b\0\x09\x7d"),
        (True, b"\x7b\0\x0a\x7d"),
    ]


def test_a_stranger_hears_nothing() -> None:
    received = laws.hear(session(), header(0x23) + package(record(b"", 0)), known=False)
    assert (received.login, received.reply, received.frames) == (IMEI, b"", [])


def test_wrong_checksums() -> None:
    raw = package(record(PLACE), record(PLACE))
    received = session().receive(raw[:-2] + bytes((raw[-2] ^ 1,)) + raw[-1:])
    assert (received.frames, received.close) == ([], False)
    unchecked = received.rejects[0].unchecked
    assert unchecked is not None
    assert len(CODEC.decode([unchecked]).columns) == 2, "to be explained"
    assert [bad.reason for bad in session().receive(V2[:-4] + b"00\r\n").rejects] == ["the line's checksum is wrong"]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\xff\x99" + bytes(20), b"$" * 2000])
def test_who_doesnt_speak_arnavi(data: bytes) -> None:
    received = session().receive(data)
    assert received.rejects
    assert received.frames == []


# --- Lines -------------------------------------------------------------------------------------------------------------------

V2 = line("$AV,V2,4711,77,1260,410,-1,1,1,129,0,0,1,13,070809,4315.0000N,07656.2500E,33.0,300.0,050324,")
LINE = FIX | {
    "satellites": 13.0, "altitude_m": 0.0, "ignition": True, "motion": True, "power_v": 12.6, "battery_v": 4.1,
    "attributes": {"index": 77, "input": 129},
}  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "row"),
    [
        pytest.param(V2, LINE, id="V2: one pair of inputs, no heights"),
        pytest.param(
            line("$AV,V3,4711,77,1260,410,-1,1,1,129,0,0,5,6,1,13,070809,4315.0000S,07656.2500W,33.0,300.0,050324,x"),
            LINE | {"latitude": -43.25, "longitude": -76.9375},
            id="V3: two pairs",
        ),
        pytest.param(
            line("$AV,V4,4711,77,1260,410,-1,0,0,129,0,0,1,13,790.5,-30.0,070809,4315.0000N,07656.2500E,33.0,300.0,050324,SF"),
            LINE | {"altitude_m": 790.5, "ignition": False, "motion": False},
            id="one pair and heights",
        ),
        pytest.param(
            line("$AV,V4,4711,77,1260,410,-1,1,1,129,0,0,5,6,0,0,,,070809,0000.0000N,00000.0000E,0.0,0.0,050324,1,0,5,,x"),
            LINE | {"latitude": 0.0, "longitude": 0.0, "speed_kmh": 0.0, "course_deg": 0.0, "satellites": 0.0},
            id="V4: two pairs, heights that are empty, no satellites",
        ),
    ],
)
def test_a_line_is_read_whole(raw: bytes, row: dict[str, Any]) -> None:
    assert rows(raw) == [row]
    assert rows(raw.rstrip() * 2) == [row, row], "some send no line end"


def test_lines_are_answered_after_the_commit() -> None:
    tracker = session()
    state = line("$AV,V6SD,4711,78,-1,3,3,5,6,7,SF")
    assert tracker.receive(V2).login == "4711"
    received = tracker.admit(True)
    received.frames += tracker.receive(state).frames
    assert [(frame.kind == ANSWER, frame.ack) for frame in received.frames] == [(False, b"RCPTOK\r\n"), (True, b"RCPTOK\r\n")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (line("$AV,V4,4711,77,1260"), "the line has no place"),
        (V2.replace(b"070809", b"996199"), None),
        (V2.replace(b"1260", b"12,0"), None),
    ],
)
def test_lines_that_cant_be_read(raw: bytes, reason: str | None) -> None:
    text = raw.partition(b"*")[0].decode()
    decoded = CODEC.decode(laws.hear(session(), line(text)).frames)
    assert len(decoded.columns) == 0
    assert [bad.frame for bad in decoded.unreadable] == [0]
    assert reason in (None, decoded.unreadable[0].reason)


def test_a_package_may_come_byte_by_byte() -> None:
    raw = package(*[record(PLACE)] * 200)
    tracker = session()
    received = [tracker.receive(raw[at : at + 1]) for at in range(len(raw))]
    assert [len(one.frames) for one in received] == [0] * (len(raw) - 1) + [1]
    assert rows(package(*[record(PLACE)] * 200)) == [FIX] * 200


def test_laws() -> None:
    laws.hold(
        CODEC,
        [
            header(0x22),
            package(record(PLACE), record(b"", 0)),
            package(record(b"hi", 3)),
            V2,
            line("$AV,V6SD,4711,78,-1,3,3,5,6,7,SF"),
        ],
    )
