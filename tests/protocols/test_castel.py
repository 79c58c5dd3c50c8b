"""Castel: packets built by hand from the layouts, with all their values; answers, commands, laws."""

from __future__ import annotations

import struct

import pytest
from fastcrc import crc16

from protocols import ANSWER, CannotSend, Command
from protocols.castel import CODEC, LARGEST_FRAME_BYTES, Link
from tests.protocols import laws

ID = "213XY2026000001"
NOW = bytes.fromhex("008E0D6A")  # 2026-05-20T10:33:36


def packet(kind: int, content: str | bytes = b"", version: int | None = 4, mark: bytes = b"@@", name: str = ID) -> bytes:
    content = bytes.fromhex(content) if isinstance(content, str) else content
    head = b"" if version is None else bytes((version,))
    body = head + name.encode().ljust(20, b"\0") + kind.to_bytes(2, "big") + content
    body = mark + (len(body) + 8).to_bytes(2, "little") + body
    return body + crc16.ibm_sdlc(body).to_bytes(2, "little") + b"\r\n"


def place(flags: int = 0xBC | 2, second: int = 36) -> str:
    """43.202434 north, 76.908456 west, 50.4 km/h, 120.5°; eleven satellites and a fix."""
    return struct.pack("<6BIIHHB", 20, 5, 26, 10, 33, second, 155528762, 276870442, 1400, 1205, flags).hex()


def state(status: int = 1 << 18) -> str:
    return (bytes(4) + NOW + struct.pack("<IIIHI", 123456, 77, 88, 9, status) + bytes(8)).hex()


AT = {"time": "2026-05-20T10:33:36.000Z", "valid": True, "latitude": 43.2024339, "longitude": -76.9084561, "speed_kmh": 50.4,
      "course_deg": 120.5, "satellites": 11.0}  # fmt: skip
TOLD = {"tripOdometer": 77, "fuelConsumption": 88, "status": 1 << 18}
ON = {"odometer_m": 123456.0, "ignition": True}
ALONE = {"time": "2026-05-20T10:33:36.000Z", "valid": False, **ON, "no_fix": True}

LOGIN = packet(0x1001, state() + "01" + place() + "49444400")
GPS = packet(0x4001, "01" + state() + "02" + place() + place(0x0F, 37))
ALARM = packet(0x4007, "05000000" + state(0) + "01" + place() + "03 01 05 0000 0000 01 16 0000 0000 00 01 0000 0000")
ALL = packet(
    0x401F,
    "00 01000000" + state() + "01" + place() + "1000 0200 0FFF 1200 0200 1900 2000 0200 E204 2100 0200 9A01 0400 0100 00"
    "0700 0B00 00000000 01 01 08 0000 0000 0600 0400 00 01 0103 0B00 0800 00 01 01C3 0101 0000"
    "0200 0C00 02 0C21 0200 E803 9A99 0100 05",
)
OBD = packet(0x4002, state(0x70) + "0500 06 0421 0521 0C21 0D21 2121 2F21 01 06 40 5A E803 32 0A00 62")
FROZEN = packet(0x4005, state() + "00 04 0521 9921 0C21 3121 5A E803 0100")
CODES = packet(0x400B, state() + "00 02 0103 0101 0141 0101")
SHAKE = packet(0x4003, state() + "0500 02 4000 C0FF 2000 0000 0000 0100")
ASLEEP = packet(0x4009, NOW.hex() + place())
TOLD_ONE = packet(0xA002, "0200 01 00 01 0101 01 0120 0300" + b"VIN".hex())
FUEL = packet(0x400E, state() + "01" + place() + "2C01")
CC_LOGIN = packet(0x4001, place() + "01000000 29 40E20100 000000", 1)
CC_LATE = packet(0x4206, "01 01" + place() + "00000000 28 00000000 00000000000000", 1)
MPIP = packet(0x4001, place(), None, b"$$")
MPIP_LOGIN = packet(0x2001, "01000000" + NOW.hex() + "00" + place(), None, b"$$")
EIGHT = packet(0x4204, "".join(place(second=n) + "00" * 31 for n in range(8)), None, b"$$")
HEARTBEAT = packet(0x1003, version=3)

ROWS = [
    pytest.param(LOGIN, [{**AT, **ON, "attributes": TOLD}], id="login"),
    pytest.param(
        GPS,
        [{**AT, **ON, "attributes": {**TOLD, "archive": True}},
         {**AT, "time": "2026-05-20T10:33:37.000Z", "longitude": 76.9084561, "satellites": 0.0, **ON,
          "attributes": {**TOLD, "archive": True}}],
        id="two late places, west and east",
    ),
    pytest.param(packet(0xB001, "0100" + state() + "01" + place()), [{**AT, **ON, "attributes": TOLD}], id="asked for"),
    pytest.param(packet(0x1002, state() + "00"), [{**ALONE, "attributes": TOLD}], id="logout without a place"),
    pytest.param(
        ALARM,
        [{**AT, "odometer_m": 123456.0, "ignition": True, "alarm": "hardBraking",
          "attributes": {**TOLD, "status": 0, "event": 0x16}}],
        id="alarms: hard braking, ignition; one that is over",
    ),
    pytest.param(FUEL, [{**AT, **ON, "attributes": {**TOLD, "adc1": 300}}], id="fuel level"),
    pytest.param(
        ALL,
        [{**AT, **ON, "power_v": 12.5, "battery_v": 4.1, "alarm": "highRpm",
          "attributes": {**TOLD, "deviceTemp": -24.1, "temp2": 2.5, "event": 8, "dtcs": "U0301", "rpm": 1000, "pid39322": "05"}}],
        id="all in one, tag by tag",
    ),
    pytest.param(packet(0x401F, "00 01000000" + state() + "01" + place() + "0200 0100 05 1000 0200 0F00"),
                 [{**AT, **ON, "attributes": {**TOLD, "deviceTemp": 1.5}}], id="a tag that can't be read costs only itself"),
    pytest.param(
        OBD,
        [{**ALONE, "ignition": False, "alarm": "idle,hardAcceleration,hardBraking",
          "attributes": {**TOLD, "status": 0x70, "engineLoad": 64, "coolantTemp": 90, "rpm": 1000, "obdSpeed": 50,
                         "milDistance": 10, "fuel": 98}}],
        id="OBD, with alarms in the state",
    ),
    pytest.param(FROZEN, [{**ALONE, "attributes": {**TOLD, "coolantTemp": 90}}], id="OBD up to a PID that nobody knows"),
    pytest.param(CODES, [{**ALONE, "attributes": {**TOLD, "dtcs": "P0301 C0101"}}], id="trouble codes"),
    pytest.param(packet(0x4006, state() + "00 01 0103"), [{**ALONE, "attributes": {**TOLD, "dtcs": "P0301"}}],
                 id="trouble codes of a passenger car"),
    pytest.param(SHAKE, [{**ALONE, "attributes": {**TOLD, "gSensor": "[[1.0,-1.0,0.5],[0.0,0.0,0.015625]]"}}],
                 id="accelerations"),
    pytest.param(packet(0x4008, state() + "01000200"), [{**ALONE, "attributes": TOLD}], id="cell"),
    pytest.param(ASLEEP, [{**AT, "attributes": {}}], id="asleep"),
    pytest.param(packet(0x5101, place()), [{**AT, "attributes": {}}], id="A-GPS"),
    pytest.param(TOLD_ONE, [{"time": None, "valid": False, "no_fix": True, "attributes": {"result": "VIN"}}], id="an answer"),
    pytest.param(CC_LOGIN, [{**AT, "odometer_m": 123456.0, "battery_v": 41.0, "attributes": {"status": 1}}], id="CC login"),
    pytest.param(CC_LATE, [{**AT, "odometer_m": 0.0, "battery_v": 40.0, "attributes": {"status": 0, "archive": True}}],
                 id="CC heartbeat, late"),
    pytest.param(MPIP, [{**AT, "attributes": {}}], id="MPIP"),
    pytest.param(MPIP_LOGIN, [{**AT, "attributes": {}}], id="MPIP login"),
    pytest.param(EIGHT, [{**AT, "time": f"2026-05-20T10:33:0{n}.000Z", "attributes": {}} for n in range(8)], id="MPIP, eight"),
    pytest.param(packet(0x4009, bytes(4) + bytes(18) + b"\x03"),
                 [{"time": None, "valid": False, "latitude": 0.0, "longitude": 0.0, "speed_kmh": 0.0, "course_deg": 0.0,
                   "satellites": 0.0, "attributes": {}}], id="zeros before the first fix"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), ROWS)
def test_a_packet_is_read_whole(data: bytes, expected: list[dict[str, object]]) -> None:
    assert laws.rows(CODEC, data) == [laws.rounded(row) for row in expected]


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        pytest.param(LOGIN, packet(0x9001, b"\xff" * 4 + b"\0\0" + NOW), id="login: the tracker's own time"),
        pytest.param(HEARTBEAT, packet(0x9003, version=3), id="heartbeat"),
        pytest.param(CC_LOGIN, packet(0x8001, version=1), id="CC login"),
        pytest.param(MPIP_LOGIN, packet(0x1001, bytes(4) + b"\xff" * 8, None), id="MPIP login"),
        pytest.param(GPS, b"", id="a report"),
    ],
)
def test_what_is_answered_at_once(data: bytes, reply: bytes) -> None:
    received = laws.hear(Link(), data)
    assert (received.login, received.reply) == (ID, reply)
    refused = laws.hear(Link(), data, known=False)
    assert (refused.reply, refused.frames) == (b"", [])


@pytest.mark.parametrize(
    ("data", "ack"),
    [
        pytest.param(ALARM, packet(0xC007, "05000000"), id="alarm"),
        pytest.param(CC_LATE, packet(0x8206, version=1), id="CC heartbeat, whose places may be from memory"),
        pytest.param(MPIP, packet(0x4001, version=255), id="MPIP"),
    ],
)
def test_reports_are_acknowledged_once_they_are_stored(data: bytes, ack: bytes) -> None:
    received = laws.hear(Link(), data)
    assert (received.reply, [frame.ack for frame in received.frames]) == (b"", [ack])
    refused = laws.hear(Link(), data, known=False)
    assert (refused.reply, refused.frames) == (b"", [])


def test_an_alarm_is_acknowledged_after_the_commit_and_stored_once() -> None:
    ack = packet(0xC007, "05000000")
    frames = laws.hear(Link(), ALARM + ALARM + GPS).frames
    assert [(frame.kind, frame.ack) for frame in frames] == [("sc", ack), (ANSWER, ack), ("sc", b"")]
    assert len(CODEC.decode(frames).columns) == 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(GPS[:-3] + b"\xff\r\n", "the crc is wrong", id="crc"),
        pytest.param(packet(0x4FFF), "packets of type 4fff are not kept", id="unknown type"),
        pytest.param(packet(0x4FFF, version=1), "packets of type 4fff are not kept", id="unknown type of CC"),
        pytest.param(packet(0x4FFF, version=None, mark=b"$$"), "packets of type 4fff are not kept", id="unknown type of MPIP"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "no message begins here", id="another protocol"),
        pytest.param(b"@@\x05\0" + b"@" * 40, "no message begins here", id="lengths that can't be"),
        pytest.param(packet(0x4001, name=""), "no tracker's id can be read", id="no id"),
    ],
)
def test_what_no_manual_allows_is_refused(data: bytes, reason: str) -> None:
    received = laws.hear(Link(), data)
    assert ([bad.reason for bad in received.rejects], received.frames) == ([reason], [])


def test_a_wrong_crc_is_still_explained() -> None:
    unchecked = laws.hear(Link(), GPS[:-3] + b"\xff\r\n").rejects[0].unchecked
    assert unchecked is not None
    assert len(CODEC.decode([unchecked]).columns) == 2


def test_what_follows_noise_is_read() -> None:
    received = laws.hear(Link(), b"noise @ $ @@@ " + GPS + b"@" + LOGIN)
    assert len(received.frames) == 2


@pytest.mark.parametrize(
    "data", [packet(0x4001), packet(0x4001, "00" + state() + "05" + place()), packet(0x4002, state() + "0500")]
)
def test_a_packet_that_ends_too_early_is_a_dead_letter(data: bytes) -> None:
    assert len(CODEC.decode(laws.hear(Link(), data).frames).unreadable) == 1


def test_a_message_that_never_ends_is_bounded() -> None:
    session = Link()
    assert not session.receive(b"@@" + LARGEST_FRAME_BYTES.to_bytes(2, "little")).close
    whole = session.receive(bytes(LARGEST_FRAME_BYTES))
    assert [bad.reason for bad in whole.rejects][:1] == ["the crc is wrong"]


def test_commands() -> None:
    session = Link()
    laws.hear(session, GPS)
    assert session.command(Command("engineStop"), 1, "") == packet(0x4583, "01", 1)
    assert session.command(Command("engineResume"), 1, "") == packet(0x4583, "00", 1)
    with pytest.raises(CannotSend, match="engineStop and engineResume"):
        session.command(Command("positionSingle"), 1, "")
    assert CODEC.commands == ("engineResume", "engineStop")


def test_a_datagram_is_whole() -> None:
    assert CODEC.datagram is not None
    assert len(laws.hear(CODEC.datagram(), GPS).frames) == 1
    assert [bad.reason for bad in laws.hear(CODEC.datagram(), GPS[:-1]).rejects] == ["the datagram is cut short"]


def test_laws() -> None:
    laws.hold(CODEC, [LOGIN, GPS, ALARM, ALL, OBD, FROZEN, CODES, SHAKE, TOLD_ONE, CC_LOGIN, MPIP_LOGIN, EIGHT, HEARTBEAT])
