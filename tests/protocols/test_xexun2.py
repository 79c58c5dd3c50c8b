"""xexun2: records with all they may hold, escaping, the answers, and the laws."""

from __future__ import annotations

import struct

import pytest

from protocols import codec
from protocols.xexun2 import checksum, degrees, framed, unescaped
from tests.protocols.laws import hear, hold, rounded

CODEC = codec("xexun2")
IMEI = bytes.fromhex("8612345678901230")
TIME_S = 1_700_000_000  # 2023-11-14T22:13:20Z


def frame(type_: int, payload: bytes, index: int = 7, sent: int | None = None) -> bytes:
    head = struct.pack(">HH8sHH", type_, index, IMEI, 0x4000 | len(payload), checksum(payload) if sent is None else sent)
    return framed(head + payload)


def records(*bodies: bytes) -> bytes:
    return struct.pack(f">B{len(bodies)}H", len(bodies), *map(len, bodies)) + b"".join(bodies)


def record(mask: int, rest: bytes, battery: int = 0x8000 | 88, index: int = 3) -> bytes:
    return struct.pack(">BIBHB", index, TIME_S, 27, battery, mask) + rest


HEAD = {"time": "2023-11-14T22:13:20.000Z", "battery_percent": 88.0, "gsm": 27.0}
REST = {"index": 3, "charge": True}
SHORT = struct.pack(">Bff", 9, -11403.125, 2234.5)
LONG = struct.pack(">Bdd", 11, 11403.0764, -2234.0228)
PRECISE = struct.pack(">ddBBBHHf", -11403.0764, 2234.0228, 1, 12, 40, 365, 905, 89.5)
WIFI = b"\x02" + bytes.fromhex("0a0b0c0d0e0f c4 1a1b1c1d1e1f b0")
CELLS = b"\x01" + struct.pack(">HHiIb", 460, 1, 0x2531, 0x647E, -71)
NETWORK = {
    "wifiAccessPoints": [
        {"macAddress": "0a:0b:0c:0d:0e:0f", "signalStrength": -60},
        {"macAddress": "1a:1b:1c:1d:1e:1f", "signalStrength": -80},
    ],
    "cellTowers": [
        {"mobileCountryCode": 460, "mobileNetworkCode": 1, "locationAreaCode": 0x2531, "cellId": 0x647E, "signalStrength": -71}
    ],
}


@pytest.mark.parametrize(
    ("body", "row"),
    [
        pytest.param(record(0, b""), HEAD | {"valid": False, "attributes": REST, "no_fix": True}, id="no more than its head"),
        pytest.param(
            record(2, b"\x01" + SHORT, battery=40),
            HEAD | {"valid": True, "latitude": 22.575, "longitude": -114.0520833, "satellites": 9.0, "battery_percent": 40.0}
            | {"attributes": {"index": 3, "charge": False}},
            id="a short place, west",
        ),
        pytest.param(
            record(0x3B, struct.pack(">I", 1 | 1 << 15) + b"\x6e" + WIFI + CELLS + b"\x01" + bytes(12)
                   + struct.pack(">HH", 365, 905) + LONG + bytes(4) + b"V1.2".ljust(20, b"\0") + bytes(8)
                   + bytes.fromhex("89860012345678901234") + bytes(12)),
            HEAD | {"valid": True, "latitude": -22.5670467, "longitude": 114.0512733, "satellites": 11.0, "speed_kmh": 36.5}
            | {"course_deg": 90.5, "alarm": "sos,fallDown"}
            | {"attributes": REST | {"network": NETWORK, "versionFw": "V1.2", "iccid": "89860012345678901234"}},
            id="a long place with all that may stand around it",
        ),
        pytest.param(
            record(3, struct.pack(">I", 2) + b"\x80" + struct.pack(">HcH", 3 + len(PRECISE), b"G", len(PRECISE)) + PRECISE),
            HEAD | {"valid": True, "latitude": 22.5670467, "longitude": -114.0512733, "satellites": 12.0, "altitude_m": 89.5}
            | {"speed_kmh": 36.5, "course_deg": 90.5, "alarm": "removing", "attributes": REST},
            id="a precise place, strap taken off",
        ),
        pytest.param(
            record(2, b"\x80" + struct.pack(">HcH", 3 + len(PRECISE), b"G", len(PRECISE)) + PRECISE[:16] + b"\0" + PRECISE[17:]),
            HEAD | {"valid": False, "satellites": 12.0, "no_fix": True, "attributes": REST},
            id="a precise place that is none",
        ),
    ],
)  # fmt: skip
def test_a_record_is_read_whole(body: bytes, row: dict[str, object]) -> None:
    received = hear(CODEC.session(), frame(0x14, records(body, body)))
    assert (received.login, received.reply, received.rejects) == ("861234567890123", b"", [])
    assert [frame.ack for frame in received.frames] == [bytes.fromhex("faaf0014000786123456789012300001fffe01faaf")]
    assert [rounded(one) for one in CODEC.decode(received.frames).columns.rows()] == [row, row]


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 0.0), (12034.5, 120.575), (-12034.5, -120.575), (-30.0, -0.5), (5959.9999, 59.9999983)]
)
def test_degrees_and_minutes(value: float, expected: float) -> None:
    assert degrees(value) == pytest.approx(expected)


def test_flags_inside_a_message_are_escaped() -> None:
    assert framed(bytes.fromhex("01faaf02fbbf03")) == bytes.fromhex("faaf 01fbbf01 02fbbf02 03 faaf")
    assert unescaped(bytes.fromhex("01fbbf0102fbbf0203")) == bytes.fromhex("01faaf02fbbf03")
    received = hear(CODEC.session(), frame(0x14, records(record(1, bytes.fromhex("fbbffaaf"))), index=0xFAAF))
    assert received.frames[0].ack == bytes.fromhex("faaf0014fbbf0186123456789012300001fffe01faaf")
    assert CODEC.decode(received.frames).columns.row(0)["alarm"] == "sos,removing,fallDown"


def test_what_a_tracker_answers_is_kept_and_not_acknowledged() -> None:
    (kept,) = hear(CODEC.session(), frame(0x07, b"OK,ip=1\0")).frames
    assert kept.ack == b""
    assert CODEC.decode([kept]).columns.row(0)["attributes"] == {"result": "OK,ip=1"}


def test_other_messages_are_answered_at_once() -> None:
    received = hear(CODEC.session(), frame(0x01, b""))
    assert (received.reply, received.frames) == (bytes.fromhex("faaf0001000786123456789012300001fffe01faaf"), [])


def test_a_stranger_gets_no_answer() -> None:
    received = hear(CODEC.session(), frame(0x14, records(record(0, b""))) + frame(0x01, b""), known=False)
    assert (received.reply, received.frames) == (b"", [])


def test_a_wrong_checksum_is_refused_and_explained() -> None:
    (reject,) = hear(CODEC.session(), frame(0x14, records(record(0, b"")), sent=1)).rejects
    assert reject.reason == "the checksum is wrong"
    assert reject.unchecked is not None
    assert len(CODEC.decode([reject.unchecked]).columns) == 1


@pytest.mark.parametrize("lost", [b"\x00\x01\x02", bytes.fromhex("0102faaf"), bytes.fromhex("faaf0102faaf"), b"\xfa"])
def test_it_finds_its_way_back(lost: bytes) -> None:
    received = hear(CODEC.session(), lost + frame(0x14, records(record(0, b""))))
    assert (len(received.frames), len(received.rejects)) == (1, 1)


@pytest.mark.parametrize(
    "payload", [b"", b"\x02\x00\x09", records(record(1, b"")), records(record(2, b"\x04\xff")), b"\x01\x00\xff" + record(0, b"")]
)
def test_what_cant_be_read_becomes_a_dead_letter(payload: bytes) -> None:
    decoded = CODEC.decode(hear(CODEC.session(), frame(0x14, payload)).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


FULL = record(3, struct.pack(">I", 0xFBBFFAAF) + b"\x47" + SHORT + WIFI + CELLS + LONG)
MESSAGES = [frame(0x14, records(FULL, record(0, b""))), frame(0x07, b"OK"), frame(0x01, b""), frame(0x14, b"\x01")]


def test_the_laws() -> None:
    hold(CODEC, MESSAGES)
