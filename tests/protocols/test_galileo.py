"""Galileosky: packets built by hand from the manual's tables, commands and their answers, Iridium, and the laws."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastcrc.crc16 import modbus

from protocols import CannotSend
from protocols.commands import Answer, Command, checked
from protocols.galileo import CODEC, Link, words
from telematics.simulator.fix import Fix
from telematics.simulator.galileo import ALARM_BITS, Tracker
from tests.protocols import laws
from tests.protocols.laws import rounded

IMEI = "350000000000222"
WHO = b"\x03" + IMEI.encode() + b"\x04\x05\x00"


def packet(content: str | bytes, head: int = 1, archive: bool = False) -> bytes:
    content = bytes.fromhex(content) if isinstance(content, str) else content
    raw = bytes((head,)) + (len(content) | archive << 15).to_bytes(2, "little") + content
    return raw + modbus(raw).to_bytes(2, "little")


# 2024-03-05 07:08:09, 43.25 N 76.95 E from 11 satellites, 61.2 km/h, course 300, 790 m
TIME = "20" + struct.pack("<I", 1709622489).hex()
POINT = "300b" + struct.pack("<ii", 43_250_000, 76_950_000).hex()
SOUTH_WEST = struct.pack("<ii", -36_720_000, -72_180_000).hex()
MOVES = "33 6402 b80b 34 1603"
PLACE = TIME + POINT + MOVES
FIX: dict[str, Any] = {
    "time": "2024-03-05T07:08:09.000Z", "valid": True, "latitude": 43.25, "longitude": 76.95, "altitude_m": 790.0,
    "speed_kmh": 61.2, "course_deg": 300.0, "satellites": 11.0, "attributes": {},
}  # fmt: skip


def with_(**attributes: Any) -> dict[str, Any]:
    return FIX | {"attributes": attributes}


def at(now: datetime) -> Callable[[], Link]:
    return lambda: Link(now=lambda: now)


def rows(data: bytes, now: datetime = datetime(2024, 3, 5, 8, tzinfo=UTC)) -> list[dict[str, Any]]:
    received = laws.hear(at(now)(), data)
    decoded = CODEC.decode(received.frames)
    assert (received.rejects, list(decoded.unreadable)) == ([], [])
    return [rounded(row) for row in decoded.columns.rows()]


@pytest.mark.parametrize(
    ("content", "row"),
    [
        pytest.param(PLACE, FIX, id="time and place"),
        pytest.param(
            "0111 0225 040500 102a00 2020000000 21f401 3025" + SOUTH_WEST + "35 0f",
            {
                "time": "1970-01-01T00:00:32.500Z", "valid": False, "latitude": -36.72, "longitude": -72.18, "satellites": 5.0,
                "attributes": {"versionHw": 17, "versionFw": 37, "deviceId": 5, "index": 42, "hdop": 1.5},
            },
            id="who it is, milliseconds, a place of cells in the south and west",
        ),
        pytest.param(
            PLACE + "40 0112 41 3831 42 0410 43 f6 45 0500 46 0009 48 0300 49 02",
            FIX | {
                "ignition": True, "motion": True, "gsm": 1.0, "power_v": 12.6, "battery_v": 4.1,
                "attributes": {
                    "status": 0x1201, "deviceTemp": -10, "output": 5, "input": 0x900, "statusExtended": 3, "channel": 2,
                },
            },
            id="status and voltages",
        ),
        pytest.param(
            PLACE + "40 6080",
            FIX | {
                "ignition": False, "motion": False, "gsm": 0.0, "alarm": "general,lowBattery,gpsAntennaCut",
                "attributes": {"status": 0x8060},
            },
            id="alarms of the status",
        ),
        pytest.param(
            PLACE + "44 01020304 47 01000000 50 e803 57 0100 58 0200 59 0300 5a 04000000 60 0500 62 0600 63 0700 f6 6f 0800 14",
            with_(
                acceleration=0x04030201, ecoDrive=1, adc0=1000, adc7=1, rs2320=2, rs2321=3, rep500=4, fuel0=5, fuel2=6,
                fuel3=7, fuelTemp3=-10, fuel15=8, fuelTemp15=20,
            ),
            id="analog inputs and fuel sensors",
        ),
        pytest.param(
            PLACE + "70 01f6 77 0214 78 0100 7d 0200 81 01 f6 63 87 02 14 64 88 f6 8c 14 90 0a000000 d3 0b000000 d5 01",
            with_(
                temp0=-10, temp7=20, adc8=1, adc13=2, temp1=-10, humidity1=49.5, humidity7=50.0, fuelTemp0=-10,
                fuelTemp4=20, driverUniqueId="10", driverUniqueId2=11, iButtons=1,
            ),
            id="thermometers and keys",
        ),
        pytest.param(
            PLACE + "a0 01 af 02 b0 0300 b9 0400 c0 0a000000 c1 fa 5a 401f c2 05000000 c3 06000000 c4 07 d2 08 d4 d2040000 "
            "d6 0900 da 0a00 db 0b000000 df 0c000000 f0 0d000000 f9 0e000000",
            FIX | {
                "odometer_m": 1234.0,
                "attributes": {
                    "can8BitR15": 1, "can8BitR30": 2, "can16BitR5": 3, "can16BitR14": 4, "fuelTotal": 5.0, "fuel": 100.0,
                    "temp1": 50, "rpm": 1000.0, "canB0": 5, "canB1": 6, "can8BitR0": 7, "can8BitR14": 8, "can16BitR0": 9,
                    "can16BitR4": 10, "can32BitR0": 11, "can32BitR4": 12, "can32BitR5": 13, "can32BitR14": 14,
                },
            },
            id="CAN and odometer",
        ),
        pytest.param(
            PLACE + "5b 01020304050607 5d 010203 e2 4d000000 e9 01000000 ea 03 abcdef fa 010203 fd 0102030405060708",
            with_(
                refrigerator="01020304050607", dosimeter="010203", userData0=77, userData7=1, userDataArray="abcdef",
                ecoDriveMore="010203",
            ),
            id="what is kept as it is",
        ),
        pytest.param(
            PLACE + "fe 2400 0100 9cffffff 2000 64000000 2100 e8030000 6100 c8000000 8100 0100 8200 0200 8400 0300",
            with_(modbus0=-1.0, modbus31=1.0, bluetooth0=1000, modbus32=2.0, cid=1, lac=2, mnc=3),
            id="extended tags",
        ),
        pytest.param(
            PLACE + "fe 0900 8500 17 fffe 01020304",
            FIX | {"gsm": 23.0, "attributes": {"extended": "fffe01020304"}},
            id="an extended tag that nobody knows: the rest is kept",
        ),
        pytest.param(
            TIME + "46 0100",
            {"time": "2024-03-05T07:08:09.000Z", "valid": False, "no_fix": True, "attributes": {"input": 1}},
            id="no place: telemetry alone",
        ),
    ],
)  # fmt: skip
def test_a_record_is_read_whole(content: str, row: dict[str, Any]) -> None:
    assert rows(packet(content)) == [row]


def test_a_tag_that_comes_again_begins_the_next_record() -> None:
    again = packet(WHO + bytes.fromhex("10 0100" + PLACE) + WHO + bytes.fromhex("10 0200" + PLACE), archive=True)
    assert [row["attributes"]["index"] for row in rows(again)] == [1, 2]


def test_behind_an_unknown_tag_nothing_is_read() -> None:
    decoded = CODEC.decode(laws.hear(CODEC.session(), packet(PLACE + "f6" + "01000000" + PLACE + "97 0102")).frames)
    assert [rounded(row) for row in decoded.columns.rows()] == [with_(can32BitR11=1), FIX]
    assert [(bad.frame, bad.reason) for bad in decoded.unreadable] == [(0, "tag 0x97 is unknown or cut short")]


def test_a_login_is_answered_at_once_and_records_after_the_commit() -> None:
    session, login, report = CODEC.session(), packet(b"\x01\x11\x02\x25" + WHO), packet(WHO + bytes.fromhex(PLACE))
    assert session.receive(login).login == IMEI
    assert session.admit(True).reply == b"\x02" + login[-2:]
    received = session.receive(report)
    assert (received.reply, [frame.ack for frame in received.frames]) == (b"", [b"\x02" + report[-2:]])
    assert session.receive(packet("", head=0x15)).reply == b"\x02" + packet("", head=0x15)[-2:]


def test_a_stranger_hears_nothing() -> None:
    received = laws.hear(CODEC.session(), packet(WHO) + packet(WHO + bytes.fromhex(PLACE)), known=False)
    assert (received.login, received.reply, received.frames) == (IMEI, b"", [])


def test_a_wrong_crc_is_not_answered() -> None:
    raw = packet(PLACE)
    received = CODEC.session().receive(raw[:-1] + bytes((raw[-1] ^ 1,)))
    assert (received.reply, received.frames, received.close) == (b"", [], False)
    unchecked = received.rejects[0].unchecked
    assert unchecked is not None
    assert len(CODEC.decode([unchecked]).columns) == 1, "to be explained"
    assert CODEC.session().receive(b"GET / HTTP/1.1\r\n").close


def test_photos_are_answered_part_by_part() -> None:
    session = CODEC.session()
    laws.hear(session, packet(WHO))
    part, end = packet(b"\0" + b"\xff\xd8\xff\xe0" * 50, head=7), packet(b"\1", head=7)
    assert session.receive(part).reply == b"\x07" + part[-2:]
    received = session.receive(end)
    assert [frame.ack for frame in received.frames] == [b"\x07" + end[-2:]]
    assert list(CODEC.decode(received.frames).columns.rows()) == [
        {"time": None, "valid": False, "no_fix": True, "attributes": {"photoBytes": 200}}
    ]


def minimal(second: int, latitude: float, longitude: float, *, invalid: bool = False, alarm: bool = False) -> bytes:
    bits = second << 54 | invalid << 53 | round((longitude + 180) / 360 * (1 << 22)) << 31
    bits |= round((latitude + 90) / 180 * (1 << 21)) << 10 | alarm << 9
    return bits.to_bytes(10, "big")


MARCH_5 = int((datetime(2024, 3, 5, 7, 8, 9, tzinfo=UTC) - datetime(2024, 1, 1, tzinfo=UTC)).total_seconds())


def test_compressed_records() -> None:
    content = minimal(MARCH_5, 43.25, 76.95) + bytes.fromhex("02 33 41 6402 b80b e02e")
    content += minimal(MARCH_5 + 10, -43.25, -76.95, invalid=True, alarm=True) + b"\0"
    first, second = rows(packet(content, head=8))
    assert first["latitude"] == pytest.approx(43.25, abs=5e-5)
    assert first["longitude"] == pytest.approx(76.95, abs=5e-5)
    assert (first["time"], first["valid"], first["speed_kmh"], first["course_deg"], first["power_v"]) == (
        "2024-03-05T07:08:09.000Z", True, 61.2, 300.0, 12.0,
    )  # fmt: skip
    assert second["latitude"] == pytest.approx(-43.25, abs=5e-5)
    assert (second["time"], second["valid"], second["alarm"]) == ("2024-03-05T07:08:19.000Z", False, "general")


def test_a_compressed_record_of_new_years_eve_is_of_the_last_year() -> None:
    content = minimal(365 * 86400 - 1, 43.25, 76.95) + b"\0"
    assert rows(packet(content, head=8), now=datetime(2024, 1, 1, 0, 5, tzinfo=UTC))[0]["time"] == "2023-12-31T23:59:59.000Z"


def iridium(content: bytes) -> bytes:
    header = struct.pack(">I", 5) + IMEI.encode() + b"\0" + struct.pack(">HHI", 1, 0, 1709622489)
    place = bytes((3, 43)) + struct.pack(">HBHI", 15_000, 76, 57_000, 5)
    elements = b"\1" + struct.pack(">H", len(header)) + header + b"\3" + struct.pack(">H", len(place)) + place
    elements += b"\2" + struct.pack(">H", len(content)) + content
    return b"\1" + struct.pack(">H", len(elements)) + elements


@pytest.mark.parametrize(
    ("content", "row"),
    [
        pytest.param(
            b"",
            {
                "time": "2024-03-05T07:08:09.000Z", "valid": False, "latitude": -43.25, "longitude": -76.95, "accuracy_m": 5000.0,
                "attributes": {},
            },
            id="the satellites' own place",
        ),
        pytest.param(bytes.fromhex("100700" + PLACE), FIX | {"accuracy_m": 5000.0, "attributes": {"index": 7}}, id="tags"),
        pytest.param(
            minimal(MARCH_5 + 60, 45.0, 90.0) + bytes.fromhex("01 46 0100"),
            {
                "time": "2024-03-05T07:09:09.000Z", "valid": True, "latitude": 45.0, "longitude": 90.0, "accuracy_m": 5000.0,
                "attributes": {"input": 1},
            },
            id="a compressed record",
        ),
    ],
)  # fmt: skip
def test_through_iridium(content: bytes, row: dict[str, Any]) -> None:
    session = at(datetime(2024, 3, 5, 8, tzinfo=UTC))()
    assert session.receive(iridium(content)).login == IMEI
    received = session.admit(True)
    assert (received.reply, [frame.ack for frame in received.frames]) == (b"", [b""])
    assert [rounded(row) for row in CODEC.decode(received.frames).columns.rows()] == [row]


# --- Commands ----------------------------------------------------------------------------------------------------------------


def order(name: str, **parameters: Any) -> Command:
    return checked(name, parameters)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (order("custom", data="InAll 0,1"), "InAll 0,1"),
        (order("deviceIdentification"), "IMEI"),
        (order("getDeviceStatus"), "Status"),
        (order("outputControl", index=3, data="1"), "Out 3,1"),
        (order("positionPeriodic", frequency=60), "WrPeriod 60,60"),
        (order("rebootDevice"), "Reset"),
        (order("requestPhoto", index=2), "Makephoto 2"),
        (order("setConnection", server="fleet.example", port=5034), "ServerIp fleet.example,5034"),
    ],
)
def test_commands(command: Command, text: str) -> None:
    session = Link()
    laws.hear(session, packet(WHO))
    content = b"\x03" + IMEI.encode() + b"\x04\0\0\xe0\x2a\0\0\0\xe1" + bytes((len(text),)) + text.encode()
    assert session.command(command, 42, "") == packet(content)
    assert words(command) == text, "the same by SMS"
    assert command.type in CODEC.commands


def test_what_cannot_be_sent() -> None:
    session = Link()
    with pytest.raises(CannotSend, match="has not said its IMEI"):
        session.command(order("rebootDevice"), 1, "")
    laws.hear(session, packet(WHO))
    with pytest.raises(CannotSend, match="255 letters"):
        session.command(order("custom", data="x" * 256), 1, "")
    with pytest.raises(CannotSend, match="no words for engineStop"):
        session.command(order("engineStop"), 1, "")


def test_an_answer_names_its_command() -> None:
    text = b"WrPeriod: 60,60"
    raw = packet(WHO + b"\xe0\x2a\0\0\0\xe1" + bytes((len(text),)) + text + bytes.fromhex("eb 02 abcd"))
    session = CODEC.session()
    assert session.receive(raw).answers == []
    received = session.admit(True)
    assert received.answers == [Answer("WrPeriod: 60,60", serial=42)]
    assert [frame.ack for frame in received.frames] == [b"\x02" + raw[-2:]]
    assert list(CODEC.decode(received.frames).columns.rows()) == [
        {
            "time": None, "valid": False, "no_fix": True,
            "attributes": {"deviceId": 5, "index": 42, "result": "WrPeriod: 60,60", "resultData": "abcd"},
        }
    ]  # fmt: skip


# --- The simulator, and laws -------------------------------------------------------------------------------------------------


def test_what_the_simulator_builds_is_read_back() -> None:
    tracker, session = Tracker(IMEI), CODEC.session()
    assert tracker.receive(laws.hear(session, tracker.hello()).reply) == 0
    assert tracker.accepted
    alarms = [None, *sorted(ALARM_BITS), *[None] * 20]
    fixes = [
        Fix(datetime(2024, 3, 5, 7, 8, 9, tzinfo=UTC), -43.25, -76.95, -12.0, 61.2, 300.0, 9, True, 12.4, 90, 3, 1_234_500, alarm)
        for alarm in alarms
    ]
    received = session.receive(tracker.report(fixes))
    read = [rounded(row) for row in CODEC.decode(received.frames).columns.rows()]
    assert [row.get("alarm") for row in read] == ["general" if alarm == "sos" else alarm for alarm in alarms]
    assert read[0] == {
        "time": "2024-03-05T07:08:09.000Z", "valid": True, "latitude": -43.25, "longitude": -76.95, "altitude_m": -12.0,
        "speed_kmh": 61.2, "course_deg": 300.0, "satellites": 9.0, "ignition": True, "motion": True, "power_v": 12.4,
        "battery_v": 4.1, "gsm": 3.0, "odometer_m": 1_234_500.0, "attributes": {"deviceId": 1, "index": 1, "status": 0x3201},
    }  # fmt: skip
    acks = b"".join(frame.ack for frame in received.frames)
    assert len(received.frames) == 3
    assert tracker.receive(acks[:4]) + tracker.receive(acks[4:]) == len(fixes)


def test_the_simulator_passes_over_commands() -> None:
    tracker, session = Tracker(IMEI), Link()
    laws.hear(session, tracker.hello())
    raw = tracker.report([Fix(datetime(2024, 3, 5, tzinfo=UTC), 1.0, 2.0)])
    assert tracker.receive(session.command(order("rebootDevice"), 1, "") + b"\x02" + raw[-2:]) == 1


def test_the_simulator_sends_what_it_has_words_for() -> None:
    with pytest.raises(ValueError, match="15 digits"):
        Tracker("truck")
    raw = Tracker(IMEI).report([Fix(datetime(2024, 3, 5, tzinfo=UTC), 1.0, 2.0, alarm="vibration")])
    assert [row.get("alarm") for row in rows(raw)] == [None], "a fix goes without an alarm that it can't say"


def test_laws() -> None:
    laws.hold(
        CODEC,
        [
            packet(b"\x01\x11\x02\x25" + WHO),
            packet(WHO + bytes.fromhex(PLACE) + WHO + bytes.fromhex(PLACE + "ea 03 abcdef fe 0600 0100 9cffffff")),
            packet(WHO + b"\xe0\x2a\0\0\0\xe1\x02OK"),
            packet(b"\1abc", head=7),
            iridium(bytes.fromhex(PLACE)),
            packet("", head=0x15),
        ],
    )
