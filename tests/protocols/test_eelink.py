"""Eelink: packets with all their values, answers, envelopes, commands, and laws."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from protocols import CannotSend, Session
from protocols.commands import checked
from protocols.eelink import CODEC, Link, checksum, enveloped, packet
from tests.protocols import laws

ID = "354188048612829"
IMEI = bytes.fromhex("0" + ID)
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NOW_S = "69a7bdbf"
LOGIN = packet(0x01, 0x26, IMEI + b"\x01\x20")


def made(kind: int, content: str, serial: int = 7) -> bytes:
    return packet(kind, serial, bytes.fromhex(content))


def session(*, whole: bool = False) -> Link:
    return Link(whole=whole, now=lambda: NOW)


def spoken() -> Link:
    link = session()
    laws.hear(link, LOGIN)
    return link


def rows(data: bytes) -> list[dict[str, Any]]:
    return [laws.rounded(row) for row in CODEC.decode(laws.hear(spoken(), data).frames).columns.rows()]


WHERE = NOW_S + "04a41506" + "f7bf1c5a"  # 43.25675 and -76.92795 degrees, 1/1800000 each
OLD = WHERE + "3d" + "00d5" + "0191" + "0001" + "0056" + "001234" + "01"
OLD_ROW: dict[str, Any] = {
    "time": "2026-03-04T05:06:07.000Z", "valid": True, "latitude": 43.25675, "longitude": -76.92795, "speed_kmh": 61.0,
    "course_deg": 213.0,
}  # fmt: skip
NEW = NOW_S + "01" + "04a41506" + "f7bf1c5a" + "0320" + "003d" + "00d5" + "0b"
NEW_ROW = OLD_ROW | {"altitude_m": 800.0, "satellites": 11.0}
CELL = {"mobileCountryCode": 401, "mobileNetworkCode": 1, "locationAreaCode": 0x56, "cellId": 0x1234}
ALONE = {"valid": False, "no_fix": True}
PACKETS = [
    pytest.param(made(0x02, OLD), OLD_ROW | {"attributes": {"index": 7}}, id="an old place"),
    pytest.param(
        made(0x02, OLD[:-2] + "00" + "0006" + "1068" + "0019" + "0151" + "0000"),
        OLD_ROW
        | {
            "valid": False,
            "ignition": True,
            "battery_v": 4.2,
            "gsm": 25.0,
            "attributes": {"network": {"cellTowers": [CELL]}, "status": 6, "adc1": 337, "adc2": 0, "index": 7},
        },
        id="an old place with telemetry and no fix",
    ),
    pytest.param(made(0x04, OLD + "83"), OLD_ROW | {"alarm": "geofenceEnter", "attributes": {"index": 7}}, id="an old alarm"),
    pytest.param(
        made(0x05, OLD + "02" + NOW_S + "006a"),
        OLD_ROW | {"ignition": False, "attributes": {"event": 2, "armed": False, "blocked": False, "status": 0x6A, "index": 7}},
        id="an old state",
    ),
    pytest.param(
        made(0x06, OLD + "2b373700".ljust(42, "0") + "6869"), OLD_ROW | {"attributes": {"message": "hi", "index": 7}}, id="an SMS"
    ),
    pytest.param(
        made(0x03, "0001"),
        ALONE | {"time": None, "attributes": {"status": 1}},
        id="a heartbeat",
    ),
    pytest.param(
        made(0x07, "0077035d"),
        ALONE | {"time": None, "ignition": True, "attributes": {"blocked": False, "status": 0x77}},
        id="OBD that is a status",
    ),
    pytest.param(
        made(0x07, NOW_S + "8900000051" + "8a0000a10c" + "8b00000148" + "0c00000000"),
        ALONE | {"time": OLD_ROW["time"], "odometer_m": 41_228_000.0, "attributes": {"fuelConsumption": 81, "fuel": 32}},
        id="OBD",
    ),
    pytest.param(
        made(
            0x12,
            NEW
            + "06bf"
            + "1068"
            + "04ec0001"
            + "0000ccc7"
            + "00000000"
            + "00050006"
            + "1900"
            + "0123"
            + "00000180"
            + "00000190"
            + "0158",
        ),
        NEW_ROW
        | {
            "ignition": True,
            "motion": True,
            "battery_v": 4.2,
            "odometer_m": 52_423.0,
            "attributes": {
                "armed": True,
                "blocked": True,
                "charge": False,
                "status": 0x06BF,
                "gps": True,
                "adc0": 1260,
                "adc1": 1,
                "steps": 5,
                "temp1": 25.0,
                "humidity": 29.1,
                "illuminance": 1.5,
                "co2": 400,
                "temp2": 21.5,
                "index": 7,
            },
        },
        id="all that a place can hold",
    ),
    pytest.param(
        made(
            0x12,
            NOW_S
            + "1e"
            + "01910001"
            + "0056"
            + "00001234"
            + "19"
            + "0057"
            + "00001235"
            + "18"
            + "0058"
            + "00001236"
            + "17"
            + "aabbccddeeff"
            + "c5"
            + "0000",
        ),
        ALONE
        | {
            "time": OLD_ROW["time"],
            "attributes": {
                "network": {
                    "cellTowers": [
                        CELL | {"signalStrength": 25},
                        CELL | {"locationAreaCode": 0x57, "cellId": 0x1235, "signalStrength": 24},
                        CELL | {"locationAreaCode": 0x58, "cellId": 0x1236, "signalStrength": 23},
                    ],
                    "wifiAccessPoints": [{"macAddress": "aa:bb:cc:dd:ee:ff", "signalStrength": -59}],
                },
                "status": 0,
                "gps": False,
                "index": 7,
            },
        },
        id="cells and an access point instead of a place",
    ),
    pytest.param(
        made(
            0x15,
            NOW_S
            + "80"
            + "03"
            + "0a"
            + "01910001"
            + "0056"
            + "0000"
            + "00001234"
            + "0001"
            + "0002"
            + "0003"
            + "b5"
            + "1122334455"
            + "aabbccddeeff"
            + "c5"
            + "02"
            + "0000",
        ),
        ALONE
        | {
            "time": OLD_ROW["time"],
            "attributes": {
                "network": {
                    "cellTowers": [CELL | {"signalStrength": -75}],
                    "wifiAccessPoints": [{"macAddress": "aa:bb:cc:dd:ee:ff", "signalStrength": -59}],
                },
                "status": 0,
                "gps": False,
                "index": 7,
            },
        },
        id="a list of cells and access points",
    ),
    pytest.param(
        made(0x14, NEW + "02" + "0001"),
        NEW_ROW | {"alarm": "sos", "attributes": {"status": 1, "gps": False, "index": 7}},
        id="an alarm",
    ),
    pytest.param(
        made(
            0x12,
            NOW_S
            + "00"
            + "0000"
            + "1068"
            + "00000000"
            + "00000000" * 3
            + "00" * 12
            + "0000"
            + "0101"
            + "f1a00220f0fe"
            + "a7000000"
            + "0be9"
            + "1510"
            + "0018",
        ),
        ALONE
        | {
            "time": OLD_ROW["time"],
            "battery_v": 4.2,
            "odometer_m": 0.0,
            "attributes": {
                "status": 0,
                "gps": False,
                "adc0": 0,
                "adc1": 0,
                "steps": 0,
                "temp1": 0.0,
                "humidity": 0.0,
                "illuminance": 0.0,
                "co2": 0,
                "temp2": 0.0,
                "tag1Id": "f1a00220f0fe",
                "tag1Battery": 3.049,
                "tag1Temp": 21.0625,
                "tag1Data": 24,
                "index": 7,
            },
        },
        id="a beacon",
    ),
    pytest.param(
        packet(0x80, 7, b"\x01\0\0\0\x09RELAY,1# OK"),
        ALONE | {"time": None, "attributes": {"index": 7, "result": "RELAY,1# OK"}},
        id="words",
    ),
    pytest.param(
        packet(0x80, 7, b"\x01\0\0\0\x09Lat:N43.25675,Lon:W76.92795,Course:213.00,Speed:61.50km/h,DateTime:2026-03-04 05:06:07"),
        {
            "time": "2026-03-04T05:06:07.000Z",
            "valid": True,
            "latitude": 43.25675,
            "longitude": -76.92795,
            "speed_kmh": 61.5,
            "course_deg": 213.0,
            "attributes": {"index": 7},
        },
        id="words that are a place",
    ),
    pytest.param(
        packet(
            0x80,
            7,
            b"\x01\0\0\0\x09Lat:S43.25675 (south)\r\nLon:E76.92795 (east)\r\nCourse:213.00 degrees\r\nSpeed:61.50 km/h"
            b" (GPS, 9 satellites)\r\nDate Time:2026-03-04 05:06:07\r\n",
        ),
        {
            "time": "2026-03-04T05:06:07.000Z",
            "valid": True,
            "latitude": -43.25675,
            "longitude": 76.92795,
            "speed_kmh": 61.5,
            "course_deg": 213.0,
            "attributes": {"index": 7},
        },
        id="a place in more words",
    ),
]


@pytest.mark.parametrize(("data", "row"), PACKETS)
def test_a_packet_is_read_whole(data: bytes, row: dict[str, Any]) -> None:
    assert rows(data) == [row]


def test_a_login_is_answered_with_the_time() -> None:
    received = laws.hear(session(), LOGIN)
    assert (received.login, received.reply.hex()) == (ID, "6767010009" + "0026" + NOW_S + "0001" + "00")
    assert laws.hear(session(), LOGIN, known=False).reply == b""


@pytest.mark.parametrize(
    ("data", "reply", "ack"),
    [
        pytest.param(made(0x03, "0001"), packet(0x03, 7), b"", id="a heartbeat is answered at once"),
        pytest.param(made(0x12, NEW + "0001"), b"", packet(0x12, 7), id="a place is acknowledged"),
        pytest.param(made(0x02, OLD), b"", b"", id="an old place has no answer"),
        pytest.param(packet(0x80, 7, b"\x01\0\0\0\x09OK"), b"", b"", id="an answer has no answer"),
    ],
)
def test_answers(data: bytes, reply: bytes, ack: bytes) -> None:
    received = laws.hear(spoken(), data)
    assert (received.reply, received.frames[0].ack) == (reply, ack)


def test_an_envelope_holds_packets_and_is_answered_in_envelopes() -> None:
    wire = enveloped(IMEI, made(0x12, NEW + "0001") + made(0x14, NEW + "02" + "0001", 8))
    received = laws.hear(session(whole=True), wire)
    assert received.login == ID
    assert [frame.ack for frame in received.frames] == [enveloped(IMEI, packet(0x12, 7)), enveloped(IMEI, packet(0x14, 8))]
    assert [row.get("alarm") for row in CODEC.decode(received.frames).columns.rows()] == [None, "sos"]
    assert laws.hear(session(whole=True), wire, known=False).frames == []


def test_the_checksum_turns_and_adds() -> None:
    assert checksum(b"\x80\x01") == 0x0101
    assert checksum(b"\xff" * 16 + b"\x01") != checksum(b"\xff" * 17)


def test_a_wrong_checksum_is_refused_and_still_explained() -> None:
    wire = bytearray(enveloped(IMEI, made(0x12, NEW + "0001")))
    wire[5] ^= 1
    received = laws.hear(session(whole=True), bytes(wire))
    [bad] = received.rejects
    assert (bad.reason, received.frames) == ("the checksum is wrong", [])
    assert bad.unchecked is not None
    assert bad.unchecked.kind == "12"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(made(0x1F, "0102"), "photos are not kept", id="a photo"),
        pytest.param(made(0x77, "0102"), "no packet of kind 77 is read", id="an unknown kind"),
        pytest.param(bytes.fromhex("6767010000"), "a packet without a serial", id="no serial"),
        pytest.param(packet(0x01, 1, b"\x03"), "a login without an IMEI", id="no IMEI"),
        pytest.param(b"hello" + made(0x03, "0001"), "no message begins here", id="rubbish in front"),
    ],
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    assert [bad.reason for bad in laws.hear(spoken(), data).rejects] == [reason]


@pytest.mark.parametrize("data", [made(0x12, NOW_S + "01"), made(0x04, OLD), made(0x07, "00"), made(0x12, "")])
def test_what_ends_early_is_said(data: bytes) -> None:
    decoded = CODEC.decode(laws.hear(spoken(), data).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


COMMANDS = [
    ("custom", {"data": "PARAM#"}, "PARAM#"),
    ("engineResume", {}, "RELAY,0#"),
    ("engineStop", {}, "RELAY,1#"),
    ("getDeviceStatus", {}, "STATUS#"),
    ("getVersion", {}, "VERSION#"),
    ("outputControl", {"index": 2, "data": "1"}, "PORT,0100,0100#"),
    ("outputControl", {"index": 4, "data": "0"}, "PORT,0000,0001#"),
    ("positionPeriodic", {"frequency": 30}, "TIMER,30,1#"),
    ("positionSingle", {}, "WHERE#"),
    ("positionStop", {}, "TIMER,0,0#"),
    ("rebootDevice", {}, "RESET#"),
    ("sendSms", {"phone": "123", "message": "hi"}, "FW,123,hi#"),
    ("setTimezone", {"timezone": "+05:00"}, "GMT,E,5#"),
    ("setTimezone", {"timezone": "-03:00"}, "GMT,W,3#"),
    ("sosNumber", {"index": 1, "phone": "123"}, "SOS,A,123#"),
]


@pytest.mark.parametrize(("type_name", "parameters", "text"), COMMANDS)
def test_a_command_is_said_in_eelinks_words(type_name: str, parameters: dict[str, Any], text: str) -> None:
    command = checked(type_name, parameters)
    assert spoken().command(command, 0x0102, "") == packet(0x80, 0x0102, b"\x01" + bytes.fromhex("00000102") + text.encode())
    assert CODEC.sms is not None
    assert CODEC.sms(command, "") == text


def test_every_command_has_a_row() -> None:
    assert sorted({row[0] for row in COMMANDS}) == sorted(CODEC.commands)


def test_the_answer_has_the_commands_serial() -> None:
    received = laws.hear(spoken(), packet(0x80, 3, b"\x01\0\0\x01\x02OK"))
    assert [(answer.text, answer.serial) for answer in received.answers] == [("OK", 0x0102)]
    assert [answer.serial for answer in laws.hear(spoken(), packet(0x80, 3, b"\x01\0\0\0\0OK")).answers] == [None]


@pytest.mark.parametrize(
    ("type_name", "parameters"),
    [("outputControl", {"index": 5, "data": "1"}), ("setTimezone", {"timezone": "+05:30"}), ("alarmArm", {})],
)
def test_what_can_not_be_sent_is_said(type_name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(CannotSend):
        spoken().command(checked(type_name, parameters), 1, "")


def test_laws() -> None:
    messages = [LOGIN, *(param.values[0] for param in PACKETS), enveloped(IMEI, made(0x12, NEW + "0001"))]
    laws.hold(CODEC, [message for message in messages if isinstance(message, bytes)])


def test_a_datagram_is_whole() -> None:
    assert CODEC.datagram is not None
    link: Session = CODEC.datagram()
    assert [bad.reason for bad in laws.hear(link, LOGIN[:-1]).rejects] == ["the datagram is cut short"]
