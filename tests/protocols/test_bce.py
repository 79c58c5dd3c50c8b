"""bce: structures with fields of every mask, blocks, the confirmation, and the laws."""

from __future__ import annotations

import struct

import pytest

from protocols import codec
from protocols.bce import HANDSHAKE
from tests.protocols.laws import hear, hold, rounded

CODEC = codec("bce")
IMEI = 861111122222233
STAMP = 200_000_000 << 4 | 7  # 400,000,000 s after 2008-01-01: 2020-09-03T15:06:40Z


def frame(*blocks: bytes) -> bytes:
    body = struct.pack("<Q", IMEI) + b"".join(blocks)
    return body + bytes((sum(body) & 0xFF,))


def block(type_: int, key: int, *structures: bytes) -> bytes:
    body = bytes((type_, key)) + b"".join(bytes((len(one),)) + one for one in structures)
    return struct.pack("<H", len(body)) + body


def structure(masks: tuple[int, ...], fields: bytes, stamp: int = STAMP) -> bytes:
    wire = [mask | 0x8000 * (place < len(masks) - 1) for place, mask in enumerate(masks)]
    return struct.pack(f"<I{len(wire)}H", stamp, *wire) + fields


PLACE = struct.pack("<ffBBBHI", 30.5, -20.25, 60, 0x1C, 45, 150, 123456)
MOVING = {"time": "2020-09-03T15:06:40.000Z", "valid": True, "latitude": -20.25, "longitude": 30.5, "speed_kmh": 60.0}
MOVING |= {"course_deg": 90.0, "altitude_m": 150.0, "satellites": 12.0, "odometer_m": 123456.0}
ENGINE = struct.pack("<HBIBHIIBBBH8xH8xH", 256 * 50, 100, 2001, 80, 8000, 20, 5000, 130, 70, 55, 900, 9600, 33)
FIX = structure((1,), PLACE)


@pytest.mark.parametrize(
    ("body", "row"),
    [
        pytest.param(FIX, MOVING | {"attributes": {"hdop": 1}}, id="a place"),
        pytest.param(
            structure((0x7FFF,), PLACE + struct.pack("<H8H8xHHHBHHBB", 0x4321, *range(1, 9), 11, 22, 450, 1, 700, 800, 3, 71)),
            MOVING | {"gsm": -71.0}
            | {"attributes": {"hdop": 1, "input": 0x4321, "fuel1": 11, "fuel2": 22}
            | {f"adc{place}": place for place in range(1, 9)} | {"mcc": 450, "mnc": 1, "lac": 700, "cid": 800}},
            id="all of the first mask",
        ),
        pytest.param(
            structure((0, 0x7FFF), ENGINE),
            {"time": MOVING["time"], "valid": False, "odometer_m": 5000.0, "engine_hours_s": 3600.0, "no_fix": True}
            | {"attributes": {"wheelSpeed": 50.0, "throttle": 40.0, "fuelUsed": 1000.5, "fuel": 80, "rpm": 1000.0}
            | {"coolantTemp": 90}
            | {"fuel2": 70, "engineLoad": 55, "serviceOdometer": 900, "ambientTemp": 27.0, "fuelConsumption": 33}},
            id="the engine's mask",
        ),
        pytest.param(
            structure((1, 0x18), PLACE + b"\xff" + b"\xff\xff"), MOVING | {"attributes": {"hdop": 1}}, id="the engine is silent"
        ),
        pytest.param(
            structure((0, 0, 0x7FFF), bytes(2) + struct.pack("<IHB", 44, 2000, 1) + bytes(23)
                      + struct.pack("<QH2x", 70112233, 2980)
                      + struct.pack("<HbHbHbHb", 1, -1, 2, -2, 3, -3, 4, -4) + bytes(71)),
            {"time": MOVING["time"], "valid": False, "no_fix": True}
            | {"attributes": {"fuelConsumption": 44, "axleWeight": 67536, "driverUniqueId": "70112233", "temp1": 25.0}
            | {"fuel1": 1, "fuel2": 2, "fuel3": 3, "fuel4": 4}
            | {"fuelTemp1": -1, "fuelTemp2": -2, "fuelTemp3": -3, "fuelTemp4": -4}},
            id="the third mask",
        ),
        pytest.param(
            structure((0, 0, 0, 0x7FF), bytes(51) + bytes((4, 8, 1)) + bytes(16) + struct.pack("<H8xH8xH8xH8x", 2980, 0, 2730, 0)
                      + b"AB12".ljust(16, b"\0") + b"CD34".ljust(16) + struct.pack("<I", 777)),
            {"time": MOVING["time"], "valid": False, "odometer_m": 777.0, "no_fix": True}
            | {"attributes": {"maxAcceleration": 0.08, "maxBraking": 0.16, "maxCornering": 0.02, "temp1": 25.0, "temp3": 0.0}
            | {"driver1": "AB12", "driver2": "CD34"}},
            id="the fourth mask",
        ),
        pytest.param(
            structure((1,), struct.pack("<ff", 1137.9, 20.0) + PLACE[8:]),
            {name: value for name, value in MOVING.items() if name not in ("latitude", "longitude")}
            | {"valid": False, "no_fix": True, "attributes": {"hdop": 1}},
            id="a place off the globe is none",
        ),
        pytest.param(
            structure((1,), PLACE, stamp=7),
            MOVING | {"time": "2025-01-04T18:48:30.000Z", "attributes": {"hdop": 1}},
            id="the second round of its clock",
        ),
    ],
)  # fmt: skip
def test_a_structure_is_read_whole(body: bytes, row: dict[str, object]) -> None:
    received = hear(CODEC.session(), HANDSHAKE + frame(block(0xA5, 0x8B, body, b"\x00\x00\x00\x00\x00", body)))
    assert (received.login, received.reply, received.rejects) == ("861111122222233", b"", [])
    assert [rounded(one) for one in CODEC.decode(received.frames).columns.rows()] == [row, row]


CONFIRMED = struct.pack("<QHBB", IMEI, 2, 0x19, 0x0B)


@pytest.mark.parametrize(
    ("blocks", "acks"),
    [
        pytest.param([block(0xA5, 0x8B, FIX)], [CONFIRMED + bytes((sum(CONFIRMED) & 255,))], id="kept until confirmed"),
        pytest.param([block(0xA0, 0, FIX)], [b""], id="not kept"),
        pytest.param(
            [block(0xA5, 0x0B, FIX), block(0xA0, 0, FIX)], [CONFIRMED + bytes((sum(CONFIRMED) & 255,))], id="two blocks"
        ),
        pytest.param([block(0xC1, 0x0B, b"")], [], id="an output was set"),
    ],
)
def test_what_is_confirmed(blocks: list[bytes], acks: list[bytes]) -> None:
    received = hear(CODEC.session(), frame(*blocks))
    assert ([one.ack for one in received.frames], received.reply, received.login) == (acks, b"", str(IMEI))
    assert hear(CODEC.session(), frame(*blocks), known=False).frames == []


def test_a_wrong_sum_ends_the_connection_and_is_explained() -> None:
    good = frame(block(0xA5, 1, FIX))
    received = hear(CODEC.session(), good[:-1] + bytes((good[-1] ^ 1,)) + good)
    (reject,) = received.rejects
    assert (received.frames, received.close, reject.reason) == ([], True, "the checksum is wrong")
    assert reject.unchecked is not None
    assert len(CODEC.decode([reject.unchecked]).columns) == 1


@pytest.mark.parametrize("data", [bytes(40), b"\xff" * 40, b"GET / HTTP/1.1\r\n\r\n"])
def test_what_is_no_frame_ends_the_connection(data: bytes) -> None:
    assert hear(CODEC.session(), data).close


@pytest.mark.parametrize("body", [b"\x09\x00\x00\x00\x00", structure((1,), PLACE[:-1]), structure((0x8000,), b"")])
def test_what_cant_be_read_becomes_a_dead_letter(body: bytes) -> None:
    wire = block(0xA5, 1, FIX, body) if body[0] != 9 else struct.pack("<HBBB", 3, 0xA5, 1, 9)
    decoded = CODEC.decode(hear(CODEC.session(), frame(wire)).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (int(body[0] != 9), 1)


def test_a_frame_that_comes_byte_by_byte_is_summed_once() -> None:
    session, wire = CODEC.session(), frame(block(0xA5, 1, *[FIX] * 100), block(0xA0, 1, *[FIX] * 100))
    frames = [one for place in range(len(wire)) for one in hear(session, wire[place : place + 1]).frames]
    assert [one.payload for one in frames] == [wire]


MESSAGES = [
    frame(block(0xA5, 1, FIX, FIX)),
    frame(block(0xA0, 1, structure((1, 0x7FFF), PLACE + ENGINE))),
    frame(block(0xC1, 1)),
    frame(block(0xA5, 2, FIX), block(0xA5, 3, FIX)),
    HANDSHAKE,
]


def test_the_laws() -> None:
    hold(CODEC, MESSAGES)
