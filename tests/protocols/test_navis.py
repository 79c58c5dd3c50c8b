"""Navtelecom: NTCB's formats and FLEX's fields built by hand from the manuals, answers, commands, and the laws."""

from __future__ import annotations

import re
import struct
from functools import reduce
from math import radians
from operator import xor
from typing import Any

import pytest
from fastcrc.crc8 import nrsc_5

from protocols import ANSWER, CannotSend
from protocols.commands import Answer, checked
from protocols.navis import CODEC, FIELDS, SIZES, Link
from tests.protocols import laws
from tests.protocols.laws import rounded

IMEI = "350000000000333"
US, IT = 1, 300


def ntcb(data: bytes, to: int = US, by: int = IT) -> bytes:
    head = b"@NTC" + struct.pack("<IIHB", to, by, len(data), reduce(xor, data, 0))
    return head + bytes((reduce(xor, head),)) + data


def said(data: bytes) -> bytes:
    """What the server says to it."""
    return ntcb(data, to=IT, by=US)


def summed(data: bytes) -> bytes:
    return data + bytes((nrsc_5(data),))


LOGIN = ntcb(b"*>S:" + IMEI.encode())


def agree(*numbers: int, bits: int = 255, version: int = 0x1E) -> bytes:
    mask = sum(1 << (bits + 7) // 8 * 8 - number for number in numbers)
    return ntcb(b"*>FLEX\xb0" + bytes((version, version, bits)) + mask.to_bytes((bits + 7) // 8, "big"))


def rows(*messages: bytes) -> list[dict[str, Any]]:
    received = laws.hear(CODEC.session(), b"".join(messages))
    decoded = CODEC.decode(received.frames)
    assert (received.rejects, list(decoded.unreadable)) == ([], [])
    return [rounded(row) for row in decoded.columns.rows()]


# 2024-03-05 07:08:09; record 77, event 5001; guarded, modules 35, signal 17
CLOCK = bytes((7, 8, 9, 5, 2, 24))
HEAD = struct.pack("<IH", 77, 5001) + CLOCK + bytes((0x08, 0x35, 17))
PLACE = struct.pack("<fffHffHH", radians(43.25), radians(76.95), 61.25, 300, 1234.5, 0.5, 60, 60)
NAV = bytes((2,)) + CLOCK + PLACE
TOLD = {"index": 77, "event": 5001, "armed": 8, "status": 0x35}
FIX: dict[str, Any] = {
    "time": "2024-03-05T07:08:09.000Z", "valid": True, "latitude": 43.25, "longitude": 76.95, "speed_kmh": 61.25,
    "course_deg": 300.0, "power_v": 12.6, "battery_v": 4.1, "odometer_m": 1_234_500.0, "gsm": 17.0,
}  # fmt: skip
BY_RADIANS = FIX | {"latitude": 43.2500009, "longitude": 76.9499972}  # as near as their four bytes can be
NO_FIX = {name: FIX[name] for name in ("time", "power_v", "battery_v", "gsm")} | {"valid": False, "no_fix": True}


def bits(name: str, value: int, count: int) -> dict[str, bool]:
    return {f"{name}{n + 1}": bool(value >> n & 1) for n in range(count)}


@pytest.mark.parametrize(
    ("record", "row"),
    [
        pytest.param(
            b"\x01" + HEAD + struct.pack("<HHHHhHH", 0x8001, 3, 12600, 4100, -5, 100, 200),
            NO_FIX | {
                "attributes": TOLD | {"format": 1, "output": 0x8001, "input": 3, "temp1": -5, "adc1": 100, "adc2": 200}
                | bits("out", 0x8001, 16) | bits("in", 3, 16),
            },
            id="F1: no place",
        ),
        pytest.param(
            b"\x02" + HEAD + struct.pack("<HHHHhHHII", 1, 2, 12600, 4100, -128, 100, 200, 5, 6) + NAV,
            BY_RADIANS | {
                "attributes": TOLD | {
                    "format": 2, "output": 1, "input": 2, "adc1": 100, "adc2": 200, "count1": 5, "count2": 6, "distance": 500.0,
                } | bits("out", 1, 16) | bits("in", 2, 16),
            },
            id="F2",
        ),
        pytest.param(
            b"\x03" + HEAD + struct.pack("<HHHHh", 1, 2, 12600, 4100, 30),
            NO_FIX | {
                "attributes": TOLD | {"format": 3, "output": 1, "input": 2, "temp1": 30} | bits("out", 1, 16) | bits("in", 2, 16),
            },
            id="F3: no place",
        ),
        pytest.param(
            b"\x04" + HEAD + struct.pack("<BHHH4b", 5, 0b11_10_101_011_0001, 12600, 4100, 20, -128, 21, -128),
            NO_FIX | {
                "attributes": TOLD | {
                    "format": 4, "output": 5, "input": 0b11_10_101_011_0001, "in1": True, "in2": False, "in3": False,
                    "in4": False, "in5": 3, "in6": 5, "in7": 2, "in8": 3, "temp1": 20, "temp3": 21,
                } | bits("out", 5, 4),
            },
            id="F4: inputs that count",
        ),
        pytest.param(
            b"\x05" + HEAD + struct.pack("<BBHHHHII", 14 << 2 | 2, 129, 12600, 4100, 100, 200, 5, 6) + NAV,
            BY_RADIANS | {
                "satellites": 14.0,
                "attributes": TOLD | {
                    "format": 5, "output": 2, "input": 129, "adc1": 100, "adc2": 200, "count1": 5, "count2": 6, "distance": 500.0,
                } | bits("out", 2, 2) | bits("in", 129, 8),
            },
            id="F5",
        ),
        pytest.param(
            b"\x15" + HEAD[:-3] + bytes((0x88, 0x35, 17)) + struct.pack("<BBHHHHII", 0, 0, 12600, 4100, 1, 2, 5, 6) + NAV
            + struct.pack("<HbHHbHHbH", 700, -3, 0, 0xFFFA, 0, 0, 0xFAFF, 0, 0),
            BY_RADIANS | {
                "satellites": 0.0, "alarm": "general",
                "attributes": TOLD | {
                    "format": 0x15, "output": 0, "input": 0, "adc1": 1, "adc2": 2, "count1": 5, "count2": 6, "distance": 500.0,
                    "fuel1": 700, "fuelTemp1": -3,
                } | bits("out", 0, 2) | bits("in", 0, 8),
            },
            id="F5.1: alarm, one fuel sensor",
        ),
        pytest.param(
            b"\0\x25" + HEAD + struct.pack("<BBHHHHII", 0, 0, 12600, 4100, 1, 2, 5, 6) + bytes((0,)) + NAV[1:]
            + struct.pack("<HbHHbHHbH4b", 0xFFFA, 0, 0, 0xFFFA, 0, 0, 0xFFFA, 0, 0, -14, -128, -128, 40),
            BY_RADIANS | {
                "valid": False, "satellites": 0.0,
                "attributes": TOLD | {
                    "format": 0x25, "output": 0, "input": 0, "adc1": 1, "adc2": 2, "count1": 5, "count2": 6, "distance": 500.0,
                    "temp1": -14, "temp4": 40,
                } | bits("out", 0, 2) | bits("in", 0, 8),
            },
            id="F5.2: two bytes of format, thermometers",
        ),
        pytest.param(
            b"\x06" + HEAD[:-3] + bytes((3, 0x35, 17))
            + struct.pack("<BBHHHHHIIHHHb", 9, 64, 12600, 4100, 11, 12, 13, 5, 6, 1500, 1501, 700, -3)
            + struct.pack("<Hb", 0xFB00, -1) * 7 + struct.pack("<4biH", 37, -128, -128, -128, -1, 800)
            + bytes((10 << 2 | 2,)) + CLOCK
            + struct.pack("<iiifHffHH", 25_950_000, 46_170_000, 7905, 61.25, 300, 1234.5, 0.5, 1, 1),
            FIX | {
                "altitude_m": 790.5, "satellites": 10.0, "alarm": "general",
                "attributes": TOLD | {
                    "format": 6, "armed": True, "output": 9, "input": 64, "adc1": 11, "adc2": 12, "adc3": 13, "count1": 5,
                    "count2": 6, "freq1": 1500, "freq2": 1501, "fuel0": 700, "fuelTemp0": -3, "temp1": 37, "axleWeight": -1,
                    "rpm": 800, "distance": 500.0,
                } | bits("out", 9, 4) | bits("in", 64, 8),
            },
            id="F6: minutes of degrees, fuel sensors",
        ),
    ],
)  # fmt: skip
def test_a_record_of_ntcb_is_read_whole(record: bytes, row: dict[str, Any]) -> None:
    assert rows(ntcb(b"*>T" + record)) == [row]
    assert rows(ntcb(b"*>A\x02" + record * 2)) == [row, row]


def test_an_unknown_format_costs_what_is_behind_it() -> None:
    good = b"\x03" + HEAD + struct.pack("<HHHHh", 1, 2, 12600, 4100, 30)
    decoded = CODEC.decode(laws.hear(CODEC.session(), ntcb(b"*>A\x02" + good + b"\x99")).frames)
    assert len(decoded.columns) == 1
    assert [bad.reason for bad in decoded.unreadable] == ["format 0x99 of NTCB is unknown"]


def test_a_login_is_answered_at_once_and_records_after_the_commit() -> None:
    session = CODEC.session()
    assert session.receive(LOGIN).login == IMEI
    assert session.admit(True).reply == said(b"*<S")
    one = b"\x03" + HEAD + struct.pack("<HHHHh", 1, 2, 12600, 4100, 30)
    received = session.receive(ntcb(b"*>T" + one) + ntcb(b"*>A\x01" + one) + ntcb(b"*>T\0" + one) + ntcb(b"") + b"\x7f")
    assert received.reply == b""
    assert [frame.ack for frame in received.frames] == [
        said(b"*<T" + bytes((77, 0, 0, 0))), said(b"*<A\x01"), said(b"*<T" + bytes((77, 0, 0, 0))),
    ]  # fmt: skip


def test_a_stranger_hears_nothing() -> None:
    assert laws.hear(CODEC.session(), LOGIN, known=False).reply == b""


def test_wrong_checksums() -> None:
    raw = ntcb(b"*>T\x03" + HEAD + struct.pack("<HHHHh", 1, 2, 12600, 4100, 30))
    received = CODEC.session().receive(raw[:-1] + b"\xff")
    assert (received.frames, received.close, [bad.reason for bad in received.rejects]) == (
        [],
        False,
        ["the xor of the data is wrong"],
    )
    unchecked = received.rejects[0].unchecked
    assert unchecked is not None
    assert len(CODEC.decode([unchecked]).columns) == 1, "to be explained"
    assert CODEC.session().receive(raw[:12] + b"\xff" + raw[13:]).close, "its length can't be trusted"
    assert CODEC.session().receive(b"GET / HTTP/1.1\r\n\r\n").close
    flex = summed(b"~C" + struct.pack("<I", 1709622489))
    wrong = laws.hear(CODEC.session(), agree(9) + flex[:-1] + bytes((flex[-1] ^ 1,)))
    assert ([bad.reason for bad in wrong.rejects], wrong.frames) == (["FLEX's crc is wrong"], [])


# --- FLEX --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "answered"),
    [(0x0A, 0x0A), (0x14, 0x14), (0x1E, 0x1E), (0x28, 0x1E), (0x05, 0x14)],
)
def test_versions_of_flex(version: int, answered: int) -> None:
    session = CODEC.session()
    assert session.receive(agree(1, 9, bits=69, version=version)).reply == said(b"*<FLEX\xb0" + bytes((answered, answered)))
    assert session.receive(summed(b"~C" + bytes(8))).close is (answered != version)


def test_fields_that_cant_be_read() -> None:
    assert [bad.reason for bad in CODEC.session().receive(ntcb(b"*>FLEX\xb0\x0a\x0a\x45\xff")).rejects] == [
        "FLEX's fields can't be read"
    ]


FLEX_1 = "4 2 4 11111 44444 2 44 22222222 2222 1111 44 22 4 2222222 11111111 2 4 2 1 4 22222 111 2 4 2 1"
FLEX_2 = "8 2 1 (16) 4 2 4 (37) 111111 3333333333 6 (12) (24) (48) 1 1 2 1 4 4 1 4 2 6 2 6 22222222 1 2 2 2 1"


def test_each_field_has_its_size() -> None:
    """As the manual's tables have them, bytes of field after field."""
    sizes = [struct.calcsize("<" + FIELDS[n][0]) if n in FIELDS else SIZES.get(n, 2) for n in range(1, 256)]
    for table, part in ((FLEX_1, sizes[:69]), (FLEX_2, sizes[69:122])):
        assert part == [int(size[1] or size[2]) for size in re.finditer(r"(?:\((\d+)\)|(\d))", table)]
    assert (len(sizes[122:]), sum(sizes[122:])) == (133, 330)


VALUES: dict[int, Any] = {
    1: 77, 2: 5001, 3: 1709622480, 4: 3, 5: 0x35, 6: 1, 7: 17, 8: 11 << 2 | 2, 9: 1709622489, 10: 25_950_000, 11: 46_170_000,
    12: 7905, 13: 61.25, 14: 300, 15: 1234.5, 16: 0.5, 17: 60, 18: 60, 19: 12600, 20: 4100, 21: 101, 22: 102, 23: 103, 24: 104,
    25: 105, 26: 106, 27: 107, 28: 108, 29: 1, 30: 2, 31: 4, 32: 8, 33: 5, 34: 6, 35: 50, 36: 60, 37: 3600, 38: 700, 39: 65500,
    44: 701, 45: -13, 46: -128, 53: 500, 54: 1000.5, 55: 800, 56: -5, 57: 99.5, 58: 1200, 62: 1600, 63: 10, 64: 20, 65: 30,
    66: 40, 67: 50, 68: -60, 69: 61,
    70: b"\1\2\3\4\0\0\0\0", 71: b"\x07\x0f", 72: b"\1", 78: -4, 79: -128,
    84: struct.pack("<Hb", 702, -3), 85: struct.pack("<Hb", 0xFFFA, 0),
    107: bytes(6), 204: bytes(5), 255: bytes(8),
}  # fmt: skip


def flex_record(numbers: list[int]) -> bytes:
    layout = "<" + "".join(FIELDS[n][0] if n in FIELDS else f"{SIZES.get(n, 2)}s" for n in numbers)
    return struct.pack(layout, *(VALUES[n] for n in numbers))


FLEX_ROW = FIX | {
    "altitude_m": 790.5, "satellites": 11.0, "alarm": "general", "engine_hours_s": 3600.0,
    "attributes": {
        "index": 77, "event": 5001, "armed": True, "status": 0x135, "distance": 500.0, "input": 0x201, "output": 0x804,
        **{f"adc{n}": 100 + n for n in range(1, 9)}, **bits("in", 0x201, 16), **bits("out", 0x804, 16),
        "count1": 5, "count2": 6, "freq1": 50, "freq2": 60, "rs485Fuel1": 700, "rs232Fuel": 701, "temp1": -13,
        "canFuelLevel": 500, "fuelUsed": 1000.5, "rpm": 800, "coolantTemp": -5, "canOdometer": 99.5, "axleLoad1": 1200,
        "axleLoad5": 1600, "throttle": 10, "brake": 20, "engineLoad": 30, "adBlue": 40, "canHours": 50, "serviceDistance": -60,
        "obdSpeed": 61, "satVisible": 10, "hdop": 0.7, "pdop": 1.5, "fuelTemp1": -4, "fuel7": 702, "fuelTemp7": -3,
    },
}  # fmt: skip


def test_every_field_of_flex_is_read() -> None:
    numbers = sorted(VALUES)
    record = flex_record(numbers)
    assert rows(agree(*numbers), summed(b"~C" + record)) == [FLEX_ROW]
    assert rows(agree(*numbers), summed(b"~A\x02" + record * 2), summed(b"~T\x4d\0\0\0" + record)) == [FLEX_ROW] * 3


def test_without_a_place_flex_is_telemetry_alone_at_the_events_time() -> None:
    row = {"time": "2024-03-05T07:08:00.000Z", "valid": False, "gsm": 17.0, "no_fix": True, "attributes": {"index": 77}}
    assert rows(agree(1, 3, 7), summed(b"~C" + flex_record([1, 3, 7]))) == [row]


def extra(order: str = "<") -> bytes:
    data = struct.pack(
        "<BBIHIBIiiifHf", 10, 37, 77, 5001, 1, 11 << 2 | 2, 1709622489, 25_950_000, 46_170_000, 7905, 61.25, 300, 1234.5
    )
    return struct.pack(order + "H", len(data) + 4) + data + b"ACCE"


EXTRA_ROW = {name: value for name, value in FIX.items() if name not in ("power_v", "battery_v", "gsm")} | {
    "altitude_m": 790.5, "satellites": 11.0, "attributes": {"index": 77, "event": 5001},
}  # fmt: skip


@pytest.mark.parametrize(
    ("message", "count", "ack"),
    [
        (b"~E\x02" + extra() * 2, 2, b"~E\x02"),
        (b"~E\x01" + extra(">"), 1, b"~E\x01"),
        (b"~X" + extra()[:2] + b"\x4d\0\0\0" + extra()[2:], 1, b"~X\x4d\0\0\0"),
        (b"~X" + struct.pack("<H", len(extra())) + b"\x4d\0\0\0" + extra()[2:], 1, b"~X\x4d\0\0\0"),
    ],
    ids=["little-endian", "big-endian", "X", "X whose length counts itself"],
)
def test_extra_records(message: bytes, count: int, ack: bytes) -> None:
    received = CODEC.session().receive(summed(message))
    assert [frame.ack for frame in received.frames] == [summed(ack)]
    assert [rounded(row) for row in CODEC.decode(received.frames).columns.rows()] == [EXTRA_ROW] * count


def test_flex_is_answered_after_the_commit() -> None:
    session = CODEC.session()
    laws.hear(session, LOGIN + agree(1))
    record = flex_record([1])
    received = session.receive(
        summed(b"~A\x02" + record * 2) + summed(b"~T\x4d\0\0\0" + record) + summed(b"~C" + record) + summed(b"~A\0")
    )
    assert received.reply == b""
    assert [(frame.kind == ANSWER, frame.ack) for frame in received.frames] == [
        (False, summed(b"~A\x02")), (False, summed(b"~T\x4d\0\0\0")), (False, summed(b"~C")), (True, summed(b"~A\0")),
    ]  # fmt: skip


@pytest.mark.parametrize("message", [b"~A\x01\0\0", b"~T\0\0\0\0\0", b"~Z\0"])
def test_flex_before_its_fields_are_agreed(message: bytes) -> None:
    assert CODEC.session().receive(message).close


# --- Commands ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "text"),
    [
        ("custom", {"data": "*?V"}, b"*?V"),
        ("outputControl", {"index": 1, "data": "1"}, b"*!SETOUT 1Y"),
        ("outputControl", {"index": 3, "data": "0"}, b"*!SETOUT 3N"),
    ],
)
def test_commands(name: str, parameters: dict[str, Any], text: bytes) -> None:
    session = Link()
    laws.hear(session, LOGIN)
    assert session.command(checked(name, parameters), 5, "") == said(text)
    assert name in CODEC.commands


def test_a_command_byte_by_byte() -> None:
    """To 0 from 1, as long as the tracker hasn't said who it is."""
    sent = Link().command(checked("outputControl", {"index": 1, "data": "1"}), 5, "")
    assert sent.hex() == "404e544300000000010000000b004f5c" + b"*!SETOUT 1Y".hex()


def test_what_cannot_be_sent() -> None:
    with pytest.raises(CannotSend, match="no words for engineStop"):
        Link().command(checked("engineStop", {}), 5, "")
    with pytest.raises(CannotSend, match="1 or 0"):
        Link().command(checked("outputControl", {"index": 1, "data": "on"}), 5, "")


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"*@DONE", "*@DONE"), ("*@ВКЛ".encode("cp1251"), "*@ВКЛ"), (b"*#\0\1", "2a230001")],
)
def test_answers(data: bytes, text: str) -> None:
    received = CODEC.session().receive(ntcb(data))
    assert received.answers == [Answer(text)]
    assert list(CODEC.decode(received.frames).columns.rows()) == [
        {"time": None, "valid": False, "no_fix": True, "attributes": {"result": text}}
    ]


def test_laws() -> None:
    record = b"\x05" + HEAD + struct.pack("<BBHHHHII", 0, 129, 12600, 4100, 1, 2, 5, 6) + NAV
    flex = flex_record([1, 9, 10, 11])
    laws.hold(
        CODEC,
        [
            LOGIN,
            ntcb(b"*>T" + record),
            ntcb(b"*>A\x02" + record * 2) + b"\x7f",
            agree(1, 9, 10, 11) + summed(b"~A\x02" + flex * 2) + summed(b"~C" + flex),
            summed(b"~E\x02" + extra() * 2),
            summed(b"~X" + extra()[:2] + b"\x4d\0\0\0" + extra()[2:]),
            ntcb(b"*@OK"),
        ],
    )
