"""GPS103: frames built from Coban's layout, with all their values; answers, commands, laws."""

from __future__ import annotations

from typing import cast

import pytest

from protocols import Answer, CannotSend, Command
from protocols.commands import checked
from protocols.gps103 import CODEC, LETTERS, Link
from tests.protocols import laws

IMEI = "864700000000001"
PLACE = "F,021530.000,A,4313.2000,N,07658.2000,E"
AT = {"time": "2026-05-22T02:15:30.000Z", "valid": True, "latitude": 43.22, "longitude": 76.97, "speed_kmh": 0.0,
      "course_deg": 0.0}  # fmt: skip
NO_FIX = {"time": None, "valid": False, "no_fix": True}


def report(body: str) -> bytes:
    return f"imei:{IMEI},{body};".encode()


ROWS = [
    pytest.param(
        report(f"tracker,2605220715,,{PLACE},10.00,213.4,812.5,1,0,45.16%,3.50%,-7"),
        {**AT, "speed_kmh": 18.52, "course_deg": 213.4, "altitude_m": 812.5, "ignition": True,
         "attributes": {"door": False, "fuel1": 45.16, "fuel2": 3.5, "temp1": -7}},
        id="all fields; the local clock is five hours ahead",
    ),
    pytest.param(report(f"tracker,260522021530,,{PLACE},0.00,"), {**AT, "attributes": {}}, id="few fields; seconds"),
    pytest.param(
        report("tracker,2605220015,,F,221530.000,A,4313.2000,N,07658.2000,E,0.00,;")[:-1],
        {**AT, "time": "2026-05-21T22:15:30.000Z", "attributes": {}},
        id="the local day is one on",
    ),
    pytest.param(
        report("tracker,2605212115,,F,021530.000,A,4313.2000,N,07658.2000,E,0.00,"), {**AT, "attributes": {}},
        id="the local day is one behind",
    ),
    pytest.param(
        report("tracker,26/05/22 07:15,,F,021530,V,3330.0000,S,07036.6000,W,0.00,0"),
        {**AT, "valid": False, "latitude": -33.5, "longitude": -70.61, "attributes": {}},
        id="south and west, slashes in the date, no fix",
    ),
    pytest.param(
        report("tracker,260522071548,47.5,F,0.0,A,N,4313.2000,E,07658.2000,0.0,,1.0"),
        {**AT, "time": "2026-05-22T07:15:00.000Z", "altitude_m": 1.0, "attributes": {}},
        id="letters before the numbers; no clock of UTC",
    ),
    pytest.param(
        report("tracker,2605220715,,F,021530.000,A,4313.2000,N,07658.2000,,0,0"), {**AT, "attributes": {}},
        id="no letter of the longitude",
    ),
    pytest.param(
        report("tracker,2605220715,,F,021530.000,A,4313.2000,N,07658.2000,E,,90.5"), {**AT, "course_deg": 90.5, "attributes": {}},
        id="a letter, and no speed",
    ),
    pytest.param(report(f",2605220715,100%,{PLACE},0.00,0"), {**AT, "battery_percent": 100.0, "attributes": {}}, id="battery"),
    pytest.param(report(f"help me,2605220715,,{PLACE},0.00,0"), {**AT, "alarm": "sos", "attributes": {}}, id="sos"),
    pytest.param(report(f"acc off,2605220715,,{PLACE},0.00,0"), {**AT, "ignition": False, "attributes": {}}, id="ignition"),
    pytest.param(
        report(f"T:+25.5,2605220715,,{PLACE},0.00,0"), {**AT, "alarm": "temperature", "attributes": {"temp1": 25.5}},
        id="temperature",
    ),
    pytest.param(
        report(f"oil 51.6,2605220715,,{PLACE},0.00,0"), {**AT, "alarm": "fuelLeak", "attributes": {"fuel": 51.6}}, id="fuel"
    ),
    pytest.param(
        report(f"DTC,2605220715,,{PLACE},0.00,0,,1,0,22.5%,P0300"),
        {**AT, "alarm": "fault", "ignition": True, "attributes": {"door": False, "fuel1": 22.5, "dtcs": "P0300"}},
        id="trouble code",
    ),
    pytest.param(
        report(f"rfid,2605220715,70431296,{PLACE},0.00,0"),
        {**AT, "attributes": {"event": "rfid", "driverUniqueId": "70431296"}}, id="card",
    ),
    pytest.param(report(f"101,2605220715,,{PLACE},0.00,0"), {**AT, "attributes": {"event": "101"}}, id="another event"),
    pytest.param(
        report("ac alarm,2605220715,,L,,,5249,,27db,,,"),
        {**NO_FIX, "alarm": "powerCut", "attributes": {"network": {"cellTowers": [
            {"locationAreaCode": 0x5249, "cellId": 0x27DB}]}}},
        id="cell",
    ),
    pytest.param(report("tracker,0000000000,,L,"), {**NO_FIX, "attributes": {}}, id="nothing known of the place"),
    pytest.param(
        report("OBD,260522071530,61430,0.5,7.25,412,071,34.5%,+91,17.0%,02150,13.9,P0134,P0571,,"),
        {**NO_FIX, "time": "2026-05-22T07:15:30.000Z", "odometer_m": 61430.0, "engine_hours_s": 1483200.0, "battery_v": 13.9,
         "attributes": {"fuelConsumption": 7.25, "obdSpeed": 71, "coolantTemp": 91, "rpm": 2150, "engineLoad": "34.5%",
                        "throttle": "17.0%", "dtcs": "P0134 P0571"}},
        id="a car's own numbers",
    ),
    pytest.param(
        report("OBD,260522071530,,,0.0,,000,0.0%,+,0.0%,00000,,,,,"),
        {**NO_FIX, "time": "2026-05-22T07:15:30.000Z", "attributes": {
            "fuelConsumption": 0.0, "obdSpeed": 0, "rpm": 0, "engineLoad": "0.0%", "throttle": "0.0%"}},
        id="a car that tells little",
    ),
    pytest.param(
        f"imei:{IMEI},Bus 1,panic,---,3.25,021530,220526,14,1,-33.50000,-70.61000,061,090,0812,0.9,09,1,0,E7,*;".encode(),
        {**AT, "latitude": -33.5, "longitude": -70.61, "speed_kmh": 61.0, "course_deg": 90.0, "altitude_m": 812.0, "gsm": 14.0,
         "satellites": 9.0, "ignition": True,
         "attributes": {"hdop": 0.9, "charge": False, "event": "panic", "error": "E7", "sensorVoltage": 3.25}},
        id="the other layout: degrees with a sign",
    ),
]  # fmt: skip
MESSAGES = [cast(bytes, row.values[0]) for row in ROWS]


@pytest.mark.parametrize(("data", "expected"), ROWS)
def test_a_report_is_read_whole(data: bytes, expected: dict[str, object]) -> None:
    assert laws.rows(CODEC, data) == [expected]


@pytest.mark.parametrize(
    ("data", "reply", "acks"),
    [
        pytest.param(f"##,imei:{IMEI},A;", b"LOAD", [], id="login"),
        pytest.param(f"{IMEI};", b"ON", [], id="heartbeat"),
        pytest.param(f"{IMEI}imei:{IMEI},tracker,2605220715,,{PLACE},0.00,0;", b"ON", [b""], id="heartbeat before a report"),
        pytest.param(
            f"imei:{IMEI},help me,2605220715,,{PLACE},0.00,0;", b"", [f"**,imei:{IMEI},E;".encode()], id="help is on its way"
        ),
        pytest.param(f"imei:{IMEI},tracker,2605220715,,{PLACE},0.00,0;", b"", [b""], id="a position wants nothing"),
    ],
)
def test_answers(data: str, reply: bytes, acks: list[bytes]) -> None:
    assert Link().receive(data.encode()).login == IMEI
    received = laws.hear(Link(), data.encode())
    assert received.reply == reply
    assert [frame.ack for frame in received.frames] == acks
    stranger = laws.hear(Link(), data.encode(), known=False)
    assert (stranger.reply, stranger.frames) == (b"", [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"hello;", "no imei", id="no imei"),
        pytest.param(report("vr0100ffd8ffe0"), "photos are not kept", id="photo"),
    ],
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    assert [reason in reject.reason for reject in laws.hear(Link(), data).rejects] == [True]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(report("tracker,2605220715,,F,021530.000,V,,,,,0.00,0"), "no degrees and minutes", id="no place"),
        pytest.param(report("tracker,2605220715,,Q,021530.000"), "neither F nor L", id="neither place nor cell"),
        pytest.param(report("tracker,2613220715,," + PLACE), "no such day", id="a thirteenth month"),
        pytest.param(report("tracker,2605220715"), "too few fields", id="cut short"),
    ],
)
def test_what_cannot_be_read_is_said(data: bytes, reason: str) -> None:
    decoded = CODEC.decode(laws.hear(Link(), data).frames)
    assert len(decoded.columns) == 0
    assert [reason in bad.reason for bad in decoded.unreadable] == [True]


def test_the_tracker_says_that_it_did() -> None:
    assert laws.hear(Link(), report(f"jt,2605220715,,{PLACE},0.00,0")).answers == [Answer("jt", ok=True)]


@pytest.mark.parametrize(
    ("kind", "parameters", "words", "text"),
    [
        ("positionStop", {}, "A", "nofix123456"),
        ("positionSingle", {}, "B", None),
        ("positionPeriodic", {"frequency": 30}, "C,30s", "fix030s***n123456"),
        ("positionPeriodic", {"frequency": 600}, "C,10m", "fix010m***n123456"),
        ("positionPeriodic", {"frequency": 7200}, "C,02h", "fix002h***n123456"),
        ("alarmDismiss", {}, "E", None),
        ("alarmSpeed", {"data": 80}, "H,080", "speed123456 080"),
        ("setTimezone", {"timezone": "-03:30"}, "I,-3.5", "time zone123456 -3.5"),
        ("engineStop", {}, "J", "stop123456"),
        ("engineResume", {}, "K", "resume123456"),
        ("alarmArm", {}, "L", "arm123456"),
        ("alarmDisarm", {}, "M", "disarm123456"),
        ("requestPhoto", {"index": 1}, "160", None),
        ("custom", {"data": "N"}, "N", "N"),
    ],
)
def test_commands(kind: str, parameters: dict[str, object], words: str, text: str | None) -> None:
    link = Link()
    laws.hear(link, f"{IMEI};".encode())
    command = checked(kind, parameters)
    assert kind in CODEC.commands
    assert link.command(command, 1, "") == f"**,imei:{IMEI},{words};".encode()
    assert CODEC.sms is not None
    if text is None:
        with pytest.raises(CannotSend):
            CODEC.sms(command, "")
    else:
        assert CODEC.sms(command, "") == text


def test_a_command_without_words_is_refused_with_what_there_is() -> None:
    with pytest.raises(CannotSend, match=sorted(LETTERS)[0]):
        Link().command(Command("powerOff"), 1, "")


def test_laws() -> None:
    laws.hold(CODEC, [*MESSAGES, f"##,imei:{IMEI},A;".encode(), f"{IMEI};\r\n".encode()])


def test_the_other_layout_needs_no_star() -> None:
    other = next(data for data in MESSAGES if data.endswith(b"*;"))
    assert laws.rows(CODEC, other.replace(b"*;", b";")) == laws.rows(CODEC, other)


def test_a_datagram_needs_no_semicolon() -> None:
    assert CODEC.datagram is not None
    assert len(laws.hear(CODEC.datagram(), MESSAGES[0][:-1]).frames) == 1
