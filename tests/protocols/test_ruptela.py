"""Ruptela: packets built by hand from the layout of the maker's manual, with all their values; answers, commands, laws."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fastcrc import crc16

from protocols import ANSWER, Answer, CannotSend, Command
from protocols.commands import checked
from protocols.ruptela import CODEC, Link, text_message
from telematics.simulator.fix import Fix
from telematics.simulator.ruptela import Tracker
from tests.protocols import laws

IMEI = "356307042441013"


def packet(command: int, content: str | bytes = b"", imei: str = IMEI, *, length: int | None = None) -> bytes:
    content = bytes.fromhex(content) if isinstance(content, str) else content
    body = int(imei).to_bytes(8, "big") + bytes((command,)) + content
    return (len(body) if length is None else length).to_bytes(2, "big") + body + crc16.kermit(body).to_bytes(2, "big")


TIME = "6A0D8E00"  # 2026-05-20T10:33:36
PLACE = "2DD74C90 19C02B14 0F78 2EE0 0B 0032 09"  # 76.908456, 43.202434, 396 m, 120°, 11, 50 km/h, 0.9
AT = {"time": "2026-05-20T10:33:36.000Z", "valid": True, "latitude": 43.202434, "longitude": 76.908456, "altitude_m": 396.0,
      "speed_kmh": 50.0, "course_deg": 120.0, "satellites": 11.0}  # fmt: skip
NOWHERE = "80000000 80000000 0000 0000 00 0000 FF"
EMPTY = "00 00 00 00"

PLAIN = packet(1, f"00 01 {TIME} 00 00 {PLACE} 07 {EMPTY}")
VALUES = packet(
    1,
    f"03 01 {TIME} 00 00 {PLACE} 09"
    " 08 02 01 05 00 1B 13 0D 01 AA 01 58 01 FB 01 20 F6"
    " 05 1D 3138 1E 1004 16 0065 4E FFCE 63 0004"
    " 03 41 0001E240 96 00009CAD 72 00000001"
    " 01 22 0011223344556677",
)
CARD = packet(1, f"00 01 {TIME} 00 00 {PLACE} 07 00 00 00 02 7E {b'KZ123456'.hex()} 7F {b'78900001'.hex()}")
HALF = packet(1, f"00 01 {TIME} 00 00 {PLACE} 07 00 00 00 01 9B 0000000000000005")
PARTS = packet(
    68,
    f"00 03 {TIME} 00 10 00 {PLACE} 0007 01 0199 01 00 01 0041 00001000 00"
    f" {TIME} 00 11 00 {PLACE} 0007 00 03 00C5 1F40 00CF 0096 005E 0FA0 02 00A3 00000100 0285 00000007 00"
    f" {TIME} 00 10 00 {NOWHERE} 0009 04 019A 01 019B 01 019F 00 02F6 01 00 00 02 02F8 00000000000000AB 02F9 00000000000000CD",
)
DTCS = packet(9, f"02 01 {TIME} 2DD74C90 19C02B14 01 {b'P0010'.hex()} 01 {TIME} 2DD74C90 19C02B14 02 {b'U1000'.hex()}")
DRIVER = packet(36, f"01 {TIME} 01 02 03 0003 {b'ONE'.hex()} 0000 0002 {b'TH'.hex()}")
HELLO, ALIVE = packet(15, b"ECO4 00.02.01.07"), packet(16)
WORDS = packet(7, b"OUT1=1\r\n")
STORED = bytes.fromhex("0002640113bc")  # the manual's acknowledgement of records

ROWS = [
    pytest.param(PLAIN, [{**AT, "attributes": {"hdop": 0.9, "event": 7}}], id="a record without values"),
    pytest.param(
        VALUES,
        [{**AT, "ignition": True, "motion": True, "gsm": 19.0, "power_v": 12.6, "battery_v": 4.1, "odometer_m": 123456.0,
          "alarm": "jamming",
          "attributes": {"hdop": 0.9, "event": 9, "in1": 1, "in4": 0, "charge": True, "deviceTemp": -10, "adc1": 101,
                         "temp0": -5.0, "io99": 4, "operator": 40109, "io114": 1, "driverUniqueId": "0011223344556677"}}],
        id="values of one, two, four and eight bytes, some signed",
    ),
    pytest.param(CARD, [{**AT, "attributes": {"hdop": 0.9, "event": 7, "driverUniqueId": "KZ12345678900001"}}],
                 id="a driver's card in two halves"),
    pytest.param(HALF, [{**AT, "attributes": {"hdop": 0.9, "event": 7, "io155": 5}}], id="half a card says nothing"),
    pytest.param(
        PARTS,
        [{**AT, "ignition": True, "odometer_m": 1280.0,
          "attributes": {"hdop": 0.9, "event": 7, "rpm": 1000.0, "fuelLevel": 60.0, "obdOdometer": 7000}},
         {"time": AT["time"], "valid": False, "alarm": "tampering,gpsAntennaCut,accident,tow", "no_fix": True,
          "attributes": {"event": 9, "tagId": "abcd"}}],
        id="extended: two parts are one report; no place; alarms",
    ),
    pytest.param(
        DTCS,
        [{"time": AT["time"], "valid": True, "latitude": AT["latitude"], "longitude": AT["longitude"],
          "attributes": {"dtcs": "P0010"}},
         {"time": AT["time"], "valid": True, "latitude": AT["latitude"], "longitude": AT["longitude"],
          "attributes": {"dtcs": "U1000", "archive": True}}],
        id="trouble codes, the second from memory",
    ),
    pytest.param(DRIVER, [{"time": AT["time"], "valid": False, "no_fix": True,
                           "attributes": {"driverUniqueId": "ONE||TH", "status": 1}}], id="a driver's card of three tracks"),
    pytest.param(WORDS, [{"time": None, "valid": False, "no_fix": True,
                          "attributes": {"type": 7, "result": "OUT1=1"}}], id="an answer in words"),
    pytest.param(packet(17, "01"), [{"time": None, "valid": False, "no_fix": True,
                                     "attributes": {"type": 17, "result": "1"}}], id="an answer in a byte"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), ROWS)
def test_a_packet_is_read_whole(data: bytes, expected: list[dict[str, object]]) -> None:
    assert laws.rows(CODEC, data) == [laws.rounded(row) for row in expected]


def test_who_speaks_is_asked_once() -> None:
    session = Link()
    assert session.receive(PLAIN).login == IMEI
    assert [frame.ack for frame in session.admit(True).frames] == [STORED]
    assert session.receive(PLAIN).login is None
    assert session.receive(packet(16, imei="1002003004005")).login == "001002003004005", "an IMEI has 15 digits"


@pytest.mark.parametrize(
    ("data", "ack"),
    [
        pytest.param(PARTS, "0002640113bc", id="extended records, as the others"),
        pytest.param(DTCS, "00026d01c4a4", id="trouble codes"),
        pytest.param(DRIVER, "000288015385", id="a driver's card"),
    ],
)
def test_reports_are_acknowledged_after_the_commit(data: bytes, ack: str) -> None:
    received = laws.hear(Link(), data)
    assert (received.reply, [frame.ack.hex() for frame in received.frames]) == (b"", [ack])


def test_strangers_are_told_no() -> None:
    assert laws.hear(Link(), HELLO, known=True).reply[:4].hex() == "00027301"
    assert laws.hear(Link(), HELLO, known=False).reply[:4].hex() == "00027300"
    assert laws.hear(Link(), ALIVE).reply[:4].hex() == "00027401"
    refused = laws.hear(Link(), PLAIN, known=False)
    assert (refused.reply, refused.frames) == (b"", [])


def test_a_photo_is_fetched_part_by_part() -> None:
    session = Link()
    first = laws.hear(session, packet(37, b"\x02\x00NAME0001" + bytes.fromhex("00020000") + b"half"))
    assert first.reply == packet_to(137, b"\x02\x00NAME0001" + bytes.fromhex("0001"))
    assert (first.frames, first.rejects, first.answers) == ([], [], [])
    last = laws.hear(session, packet(37, b"\x02\x00NAME0001" + bytes.fromhex("00020001") + b"rest"))
    assert last.answers == [Answer("file NAME0001 has come, 2 parts; files are not kept", ok=True)]
    assert [bad.reason for bad in last.rejects] == ["files are not kept"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(PLAIN[:-1] + b"\0", "the crc is wrong", id="crc"),
        pytest.param(packet(99), "packets of command 99 are not kept", id="unknown command"),
        pytest.param(packet(37, "02"), "no part of a file", id="half a file"),
        pytest.param(bytes.fromhex("0003 000000 0000"), "no message begins here", id="too short"),
    ],
)
def test_what_no_manual_allows_is_refused(data: bytes, reason: str) -> None:
    received = laws.hear(Link(), data)
    assert ([bad.reason for bad in received.rejects], received.frames) == ([reason], [])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "00",
        f"00 02 {TIME} 00 00 {PLACE} 07 {EMPTY}",
        f"00 01 {TIME} 00 00 {PLACE} 07 05 02 01",
        f"00 01 {TIME} 00 00 {PLACE} 07",
    ],
    ids=["nothing", "no count", "a record is missing", "values are missing", "lists are missing"],
)
def test_a_packet_that_ends_too_early_is_a_dead_letter(content: str) -> None:
    frames = laws.hear(Link(), packet(1, content)).frames
    assert len(CODEC.decode(frames).unreadable) == 1


@pytest.mark.parametrize(
    ("command", "whole", "cut"),
    [
        pytest.param(1, f"{TIME} 00 00 {PLACE} 07 {EMPTY}", f"{TIME} 00 00 {PLACE} 07", id="plain"),
        pytest.param(68, f"{TIME} 00 00 00 {PLACE} 0007 {EMPTY}", f"{TIME} 00 00 00 {PLACE} 0007 01 0005", id="extended"),
    ],
)
def test_records_in_front_of_one_that_is_cut_short_are_kept(command: int, whole: str, cut: str) -> None:
    decoded = CODEC.decode(laws.hear(Link(), packet(command, f"00 03 {whole} {whole} {cut}")).frames)
    assert (decoded.columns.latitude.round(6).tolist(), len(decoded.unreadable)) == ([43.202434] * 2, 1)


def test_a_wrong_crc_is_still_explained() -> None:
    received = laws.hear(Link(), PLAIN[:-1] + b"\0")
    unchecked = received.rejects[0].unchecked
    assert unchecked is not None
    assert len(CODEC.decode([unchecked]).columns) == 1


def test_a_datagram_ends_where_it_ends() -> None:
    assert CODEC.datagram is not None
    received = laws.hear(CODEC.datagram(), packet(7, b"ok", length=5))
    assert received.answers == [Answer("ok")]


def packet_to(command: int, content: bytes) -> bytes:
    body = bytes((command,)) + content
    return len(body).to_bytes(2, "big") + body + crc16.kermit(body).to_bytes(2, "big")


COMMANDS = [
    ("custom", {"data": "pass setio 1,1"}, packet_to(108, b"pass setio 1,1")),
    ("configuration", {"data": "020 1"}, packet_to(102, b"020 1\r\n")),
    ("deviceIdentification", {}, packet_to(108, b"pw imei")),
    ("engineResume", {}, packet_to(108, b"pw resetimmob")),
    ("engineStop", {}, packet_to(108, b"pw immobilizer 10")),
    ("firmwareUpdate", {"data": "any"}, packet_to(104, b"|FU_STRT*\r\n")),
    ("getVersion", {}, packet_to(103, b"")),
    ("outputControl", {"index": 2, "data": "1"}, packet_to(117, bytes.fromhex("0000000200000001"))),
    ("positionSingle", {}, packet_to(108, b"pw coords")),
    ("rebootDevice", {}, packet_to(108, b"pw reset")),
    ("requestPhoto", {}, packet_to(137, bytes.fromhex("0100000000007fffffff"))),
    ("setConnection", {"server": "gps.example", "port": 5046}, packet_to(105, b"gps.example,5046,TCP")),
    ("setOdometer", {"data": 1000}, packet_to(106, bytes.fromhex("000003e8"))),
]


@pytest.mark.parametrize(("name", "parameters", "wire"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_a_command_is_these_bytes(name: str, parameters: dict[str, object], wire: bytes) -> None:
    assert Link().command(checked(name, parameters), 7, "pw") == wire


def test_every_command_has_a_row() -> None:
    assert tuple(row[0] for row in COMMANDS) == CODEC.commands


def test_what_cannot_be_sent_is_said() -> None:
    with pytest.raises(CannotSend, match="ASCII"):
        Link().command(checked("custom", {"data": "Привет"}), 1, "")
    with pytest.raises(CannotSend, match="a number"):
        Link().command(checked("outputControl", {"data": "on"}), 1, "")
    with pytest.raises(CannotSend, match="by SMS positionSingle"):
        Link().command(Command("alarmArm"), 1, "")
    with pytest.raises(CannotSend):
        text_message(Command("requestPhoto"), "")


def test_a_command_by_sms_begins_with_the_password() -> None:
    assert text_message(checked("positionSingle", {}), "") == " coords"
    assert text_message(checked("custom", {"data": "setio 1,0"}), "pw") == "pw setio 1,0"


def test_the_simulator_is_understood() -> None:
    tracker, session = Tracker(IMEI), Link()
    assert tracker.accepted is None
    tracker.receive(laws.hear(session, tracker.hello()).reply)
    assert tracker.accepted is True
    fix = Fix(datetime(2026, 5, 1, 12, 30, 1, tzinfo=UTC), 43.2, -76.9, 812.5, 61, 271.25, 9, odometer_m=123456, alarm="tow")
    received = laws.hear(session, tracker.report([fix] * 16))
    assert [len(CODEC.decode([frame]).columns) for frame in received.frames] == [15, 1]
    assert laws.rounded(CODEC.decode(received.frames).columns.row(15)) == {
        "time": "2026-05-01T12:30:01.000Z", "valid": True, "latitude": 43.2, "longitude": -76.9, "altitude_m": 812.5,
        "speed_kmh": 61.0, "course_deg": 271.25, "satellites": 9.0, "ignition": True, "gsm": 4.0, "power_v": 12.6,
        "battery_v": 4.12, "odometer_m": 123456.0, "alarm": "tow", "attributes": {"hdop": 0.8, "event": 7},
    }  # fmt: skip
    assert [tracker.receive(frame.ack) for frame in received.frames] == [15, 1]
    with pytest.raises(ValueError, match="IMEI"):
        Tracker("truck")


def test_a_refused_tracker_knows_it() -> None:
    tracker = Tracker(IMEI)
    tracker.receive(laws.hear(Link(), tracker.hello(), known=False).reply)
    assert tracker.accepted is False


def test_laws() -> None:
    laws.hold(CODEC, [PLAIN, VALUES, CARD, PARTS, DTCS, DRIVER, HELLO, ALIVE, WORDS, packet(17, "01"), packet(99)])


def test_no_answer_is_a_report() -> None:
    assert all(frame.kind != ANSWER for frame in laws.hear(Link(), WORDS).frames)
