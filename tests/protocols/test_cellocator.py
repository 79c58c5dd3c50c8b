"""cellocator: status and modules, both ways to write places, the acknowledgements, and the laws."""

from __future__ import annotations

import struct

import pytest

from protocols import codec
from protocols.cellocator import signed_off
from tests.protocols.laws import hear, hold, rounded

CODEC = codec("cellocator")
MANUAL = bytes.fromhex(  # "Cellocator Integration: Practical Examples", 4: the control field
    "4D4347500057E70700080824D81F04009E002C00E38400002A6500B6B60200005F19E70300004FD20013100382C5B007E400ED01F49D00003801000006171"
    "70F091A09DC0737"
)


def status(mark: bytes = b"MCGP", reason: int = 32, moment: tuple[int, ...] = (7, 6, 5, 4, 3, 2021)) -> bytes:
    place = (856200000, -206400000, 8500, 60, 45123) if mark != b"MCGP" else (0x5F5E100, -0x5F5E100, 8500, 1000, 1571)
    return signed_off(
        struct.pack("<4sBIHBBBxBxBBB", mark, 0, 54321, 8, 0xB2, 20, 36, 0x5A, 7, reason, 2)
        + bytes.fromhex("21800080 00 0102 0304 d20400 010203040506 1100 00 04 02 0b")
        + struct.pack("<iiiIH5BH", *place, *moment)
    )


def modules(*parts: tuple[int, bytes]) -> bytes:
    body = b"".join(struct.pack("<BH", type_, len(content)) + content for type_, content in parts)
    return signed_off(struct.pack("<4sBIHBxHI", b"MCGP", 11, 54321, 8, 0xB2, len(body) + 4, 0)[:-4] + bytes(4) + body)


STATUS: dict[str, object] = {
    "time": "2021-03-04T05:06:07.000Z",
    "valid": True,
    "altitude_m": 85.0,
    "satellites": 11.0,
    "ignition": True,
    "odometer_m": 1234.0,
}
REST: dict[str, object] = {
    "versionHw": 20,
    "versionFw": 36,
    "status": 10,
    "event": 32,
    "mode": 2,
    "door": True,
    "charge": True,
    "input": 0x21800080,
}
REST |= {"driverUniqueId": "010203040506"}
GPS = (6, struct.pack("<BBBBiiiBH", 5, 4, 2, 9, 30000000, -60000000, 12300, 100, 1571))
CLOCK = (7, bytes((1, 7, 6, 5, 4, 3, 21)))
BUS = (2, bytes.fromhex("0500 01020304 02") + struct.pack("<HBI", 1234, 4, 70000) + struct.pack("<HBH", 9, 2, 500))


@pytest.mark.parametrize(
    ("data", "row"),
    [
        pytest.param(
            MANUAL,
            {"time": "2012-09-26T09:15:23.000Z", "valid": True, "latitude": 18.5119661, "longitude": 73.9261144}
            | {"altitude_m": 404.36, "speed_kmh": 11.232, "course_deg": 337.701, "satellites": 3.0}
            | {"ignition": True, "odometer_m": 2.0}
            | {"attributes": {"versionHw": 216, "versionFw": 31, "status": 0, "event": 44, "mode": 0, "door": True}
            | {"charge": False, "input": 0xE3840000, "adc1": 101, "adc2": 0, "adc3": 182, "adc4": 182}
            | {"driverUniqueId": "5f19e7030000"}},
            id="the maker's sample",
        ),
        pytest.param(
            status(),
            STATUS | {"latitude": -57.2957795, "longitude": 57.2957795, "speed_kmh": 36.0, "course_deg": 90.012}
            | {"attributes": REST | {"adc1": 1, "adc2": 2, "adc3": 3, "adc4": 4}},
            id="radians",
        ),
        *(
            pytest.param(
                status(mark),
                STATUS | {"latitude": -20.64, "longitude": 85.62, "speed_kmh": 60.0, "course_deg": 45.123}
                | {"attributes": REST | {"adc1": 0x0201, "adc2": 0x0403}},
                id=f"degrees, {mark.decode()}",
            )
            for mark in (b"MCGS", b"MCPG")
        ),
        pytest.param(
            modules((8, bytes(6)), GPS, CLOCK, BUS),
            {"time": "2021-03-04T05:06:07.000Z", "valid": False, "latitude": -34.3774677, "longitude": 17.1887339}
            | {"altitude_m": 123.0, "speed_kmh": 3.6, "course_deg": 90.012, "satellites": 9.0}
            | {"attributes": {"hdop": 5, "io1234": 70000, "io9": 500}},
            id="modules",
        ),
        pytest.param(
            modules(BUS),
            {"time": None, "valid": False, "no_fix": True, "attributes": {"io1234": 70000, "io9": 500}},
            id="the bus alone",
        ),
    ],
)  # fmt: skip
def test_a_message_is_read_whole(data: bytes, row: dict[str, object]) -> None:
    received = hear(CODEC.session(), data)
    assert (received.reply, received.rejects) == (b"", [])
    assert [rounded(one) for one in CODEC.decode(received.frames).columns.rows()] == [row]


@pytest.mark.parametrize(
    ("reason", "alarm"), [(70, "sos"), (80, "powerCut"), (81, "lowPower"), (83, "lowBattery"), (87, "powerRestored"), (32, None)]
)
def test_reasons_that_are_alarms(reason: int, alarm: str | None) -> None:
    (row,) = CODEC.decode(hear(CODEC.session(), status(reason=reason)).frames).columns.rows()
    assert row.get("alarm") == alarm


def test_a_clock_that_is_not_set_says_nothing() -> None:
    assert CODEC.decode(hear(CODEC.session(), status(moment=(0,) * 6)).frames).columns.row(0)["time"] is None


ACK = "4d434750 04 31d40000 00 00000000 00 b2" + "00" * 11 + "bb"
MODULES_ACK = "4d434750 0b 31d40000 b2 00000000 80 0a00 00000000 09 0300 00 0000 58"


@pytest.mark.parametrize(
    ("data", "ack"),
    [
        pytest.param(status(), ACK, id="status"),
        pytest.param(modules(GPS), MODULES_ACK, id="modules"),
        pytest.param(signed_off(struct.pack("<4sBIHB18x", b"MCGP", 3, 54321, 0, 0xB2)), ACK, id="programming"),
        pytest.param(signed_off(struct.pack("<4sBIB6xH2x", b"MCGP", 8, 54321, 0xB2, 2)[:16] + b"\x02\x00ab"), ACK, id="port"),
        pytest.param(signed_off(struct.pack("<4sBIHBBB3s", b"MCGP", 9, 54321, 0, 0xB2, 0, 3, b"abc")), ACK, id="old modules"),
    ],
)
def test_it_is_acknowledged_when_it_is_kept(data: bytes, ack: str) -> None:
    for session in (CODEC.session(), CODEC.datagram()):  # type: ignore[misc] # it has datagrams
        received = hear(session, data)
        assert (received.login, received.reply) == ("54321", b"")
        assert [frame.ack.hex() for frame in received.frames] == [ack.replace(" ", "")]
    assert hear(CODEC.session(), data, known=False).frames == []


def test_types_that_are_not_read_become_dead_letters() -> None:
    (frame,) = hear(CODEC.session(), signed_off(struct.pack("<4sBIHB18x", b"MCGP", 3, 54321, 0, 1))).frames
    assert [one.reason for one in CODEC.decode([frame]).unreadable] == ["messages of type 3 are not read"]


def test_a_wrong_checksum_is_refused_and_explained() -> None:
    (reject,) = hear(CODEC.session(), MANUAL[:-1] + b"\0").rejects
    assert reject.reason == "the checksum is wrong"
    assert reject.unchecked is not None
    assert len(CODEC.decode([reject.unchecked]).columns) == 1


@pytest.mark.parametrize(
    "lost",
    [
        b"xyz",
        b"MCGP\x63" + bytes(12),
        b"MCPG\x63" + bytes(12),
        b"M",
        b"MC",
        b"MCP",
        b"MCGp",
        b"MCGP\x0b" + bytes(8) + b"\xff\xff",
    ],
)
def test_it_finds_its_way_back(lost: bytes) -> None:
    received = hear(CODEC.session(), lost + MANUAL)
    assert len(received.frames) == 1
    assert received.rejects


@pytest.mark.parametrize("part", [(6, b"\0" * 18), (7, b"\1\2\3")])
def test_what_cant_be_read_becomes_a_dead_letter(part: tuple[int, bytes]) -> None:
    decoded = CODEC.decode(hear(CODEC.session(), modules(part)).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


MESSAGES = [MANUAL, status(b"MCGS"), modules(GPS, CLOCK, BUS), status()[:-1] + b"\0"]


def test_the_laws() -> None:
    hold(CODEC, MESSAGES)
