"""Queclink's binary messages, built by hand from the manuals' tables."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from fastcrc import crc16

from protocols import Answer
from protocols.gl200 import CODEC
from tests.protocols import laws
from tests.protocols.test_gl200 import BARE, FIX, IMEI, NETWORK, message, rows

PACKED = bytes((86, 12, 34, 5, 81, 27, 36, 9))
MASK = 0x00FC1FBF
TIME, LATER = struct.pack(">H5B", 2026, 3, 5, 7, 8, 9), struct.pack(">H5B", 2026, 3, 5, 7, 8, 11)
WHERE = struct.pack(">BBHHhii", 2, 612 >> 16, 612 & 0xFFFF, 300, 790, 76_950_000, -43_250_000) + TIME
CELL = struct.pack(">4HB", 401, 2, 0x5249, 0x27DB, 0)
TWO: dict[str, Any] = {**FIX, "altitude_m": 790.0}
HEAD_OF_BINARY = {"versionFw": "521", "hdop": 2}


def binary(head: bytes, kind: int, body: bytes, *, mask: int = MASK, name: bytes = PACKED) -> bytes:
    front = struct.pack(">BIH", kind, mask, 4 + 1 + 4 + 2 + 5 + 8 + 3 + len(body) + 13)
    return sealed(head + front + struct.pack(">BHH", 0x45, 0x102, 521) + name + struct.pack(">BH", 90, 12603) + body)


def sealed(message: bytes) -> bytes:
    message += LATER + b"\x01\xaf"
    return message + crc16.ibm_3740(message[4:]).to_bytes(2, "big") + b"\r\n"


def points(*parts: tuple[int, int]) -> bytes:
    """Numbers one behind the other, each with so many bits."""
    value = size = 0
    for number, bits in parts:
        value, size = value << bits | number & (1 << bits) - 1, size + bits
    return value.to_bytes(size // 8, "big")


TELEMETRY = {"power_v": 12.603, "battery_percent": 90.0, "satellites": 9.0, "ignition": True, "motion": True}
BINARIES = [
    pytest.param(
        binary(b"+RSP", 7, b"\x22\x09\x00\x01" + WHERE + CELL),
        [{**TWO, **TELEMETRY, "attributes": {"type": "7", **HEAD_OF_BINARY}}],
        id="a report",
    ),
    pytest.param(
        binary(b"+BSP", 8, b"\0\0\x22\x09\x00\x02" + (WHERE + CELL) * 2),
        [{**TWO, **TELEMETRY, "attributes": {"archive": True, "type": "8", **HEAD_OF_BINARY}}] * 2,
        id="a late report of a fence, with two places",
    ),
    pytest.param(
        binary(b"+RSP", 3, b"\x22\x09\x00\x06\x13\x57\x9f\x01" + WHERE + CELL),
        [{**TWO, **TELEMETRY, "attributes": {"type": "3", **HEAD_OF_BINARY}}],
        id="a report that was asked for by phone",
    ),
    pytest.param(
        binary(b"+RSP", 7, b"\x22\x09\x00\x01" + WHERE[:1] + WHERE[8:], mask=MASK & ~0xF),
        [{**TWO, **TELEMETRY, "attributes": {"type": "7", **HEAD_OF_BINARY}, "speed_kmh": None, "course_deg": None,
          "altitude_m": None}],
        id="a report whose mask leaves speed, course, altitude and cell out",
    ),
    pytest.param(
        binary(b"+EVT", 45, b"\x22\x09\0\0\x02\0\0\0\x05\x01" + WHERE + CELL),
        [{**TWO, **TELEMETRY, "attributes": {"type": "45", **HEAD_OF_BINARY}}],
        id="an event: ignition on",
    ),
    pytest.param(
        binary(b"+EVT", 33, b"\x11\x09\x01\x01" + b"\0" + WHERE[1:] + CELL),
        [{**TWO, **TELEMETRY, "valid": False, "ignition": False, "motion": False, "alarm": "jamming",
          "attributes": {"type": "33", **HEAD_OF_BINARY, "hdop": 0, **NETWORK}}],
        id="an event: jamming",
    ),
    pytest.param(
        binary(
            b"+RSP", 100,
            b"\x22\x09\0\x04"
            + points((1, 2), (0, 1), (612, 12), (359, 9)) + struct.pack(">iiI", 76_950_000, -43_250_000, 1_772_694_489)
            + points((2, 2), (0, 1), (-2, 7), (3, 7), (-100, 12), (50, 11)) + b"\0"
            + points((2, 2), (0, 1), (1, 7), (0, 7), (1, 12), (-1, 11)),
        ),
        [
            {"time": "2026-03-05T07:08:09.000Z", "valid": True, "latitude": -43.25, "longitude": 76.95, "speed_kmh": 61.2,
             "course_deg": 359.0, "attributes": {"type": "100", "versionFw": "521"}},
            {"time": "2026-03-05T07:08:10.000Z", "valid": True, "latitude": -43.24995, "longitude": 76.9499, "speed_kmh": 61.0,
             "course_deg": 2.0, "attributes": {"type": "100", "versionFw": "521"}},
            {"time": "2026-03-05T07:08:12.000Z", "valid": True, "latitude": -43.249951, "longitude": 76.949901, "speed_kmh": 61.1,
             "course_deg": 2.0, "attributes": {"type": "100", "versionFw": "521"}},
        ],
        id="compressed: a second without a place between",
    ),
    pytest.param(
        sealed(b"+INF" + struct.pack(">BHH", 1, 0xFD7F, 83) + PACKED + struct.pack(">BHHHHH", 0x45, 0x102, 521, 260, 517, 0)
               + b"\x41\0\x05\x40" + TIME + bytes(13) + struct.pack(">BHHB", 1, 12603, 4115, 90)
               + bytes.fromhex("89997015603781452361") + b"\x12\0"),
        [{**BARE, "motion": False, "satellites": 5.0, "power_v": 12.603, "battery_v": 4.115, "battery_percent": 90.0, "gsm": 18.0,
          "attributes": {"type": "INF", "versionFw": "521", "versionHw": 260, "iccid": "89997015603781452361"}}],
        id="information",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), BINARIES)
def test_binary(data: bytes, expected: list[dict[str, Any]]) -> None:
    received = laws.hear(CODEC.session(), data)
    assert (received.login, received.rejects) == (IMEI, [])
    assert [frame.ack for frame in received.frames] == [b"+SACK:01AF$"]
    assert rows(data) == [{name: value for name, value in one.items() if value is not None} for one in expected]


def test_a_wrong_checksum_is_refused_and_still_explained() -> None:
    data = binary(b"+RSP", 7, b"\x22\x09\x00\x01" + WHERE + CELL)
    received = laws.hear(CODEC.session(), data[:-3] + bytes((data[-3] ^ 1,)) + data[-2:])
    assert (received.frames, [reject.reason for reject in received.rejects]) == ([], ["the checksum is wrong"])
    assert received.rejects[0].unchecked is not None
    assert len(CODEC.decode([received.rejects[0].unchecked]).columns) == 1


def test_a_name_in_the_place_of_the_imei() -> None:
    named = binary(b"+RSP", 7, b"\x22\x09\x00\x01" + WHERE + CELL, mask=MASK | 0x40, name=b"lorry\0\0\0")
    session = CODEC.session()
    assert laws.hear(session, named).login == "lorry"
    session = CODEC.session()
    laws.hear(session, message("PNA", "cat"))
    again = session.receive(named)
    assert (again.login, len(again.frames)) == (None, 1), "who has said its IMEI is not asked again"


def test_a_binary_heartbeat_and_a_binary_answer() -> None:
    beat = sealed(b"+HBD" + bytes((0xEF, 32, 0x45, 1, 2, 2, 9)) + PACKED)
    assert laws.hear(CODEC.session(), beat).reply == b"+SACK:GTHBD,,01AF$"
    answer = sealed(b"+ACK" + bytes((1, 0x7F, 36, 0x45, 1, 1, 1, 8)) + PACKED + b"\x01\x00\x2a")
    received = laws.hear(CODEC.session(), answer)
    assert received.answers == [Answer(answer.hex(), serial=42, ok=True)]
    assert [one["attributes"] for one in CODEC.decode(received.frames).columns.rows()] == [{"result": answer.hex()}]


def test_laws() -> None:
    laws.hold(CODEC, [param.values[0] for param in BINARIES])  # type: ignore[misc]
