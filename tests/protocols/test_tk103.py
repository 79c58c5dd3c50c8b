"""TK103: frames built from the layout, with all their values; answers, commands, laws."""

from __future__ import annotations

import time
from typing import cast

import pytest

from protocols import Answer, CannotSend, Command
from protocols.commands import checked
from protocols.tk103 import CODEC, LARGEST_FRAME_BYTES, Link
from tests.protocols import laws

ID, COMMA_ID = "013600000001", "864700000000001"
PLACE = "A4313.2000N07658.2000E061.2081530213.40"
AT = {"time": "2026-05-22T08:15:30.000Z", "valid": True, "latitude": 43.22, "longitude": 76.97, "speed_kmh": 61.2,
      "course_deg": 213.4}  # fmt: skip
TOLD = {"charge": True, "in2": 0, "panic": 0, "out2": 0, "fuel": 0}


def plain(body: str) -> bytes:
    return f"({ID}{body})".encode()


def with_commas(body: str) -> bytes:
    return f"({COMMA_ID},{body})".encode()


def cell(area: int, number: int) -> dict[str, int]:
    return {"mobileCountryCode": 401, "mobileNetworkCode": 2, "locationAreaCode": area, "cellId": number}


NO_FIX = {"time": None, "valid": False, "no_fix": True}
BATTERY_PACK = "64FF0E02" + "F10FF00F" + "0000" * 22 + "000A000016630100010000040005" + "000000000000"
BATTERY_PACK += "02444542430000000000A00FA0000000"

ROWS = [
    pytest.param(
        plain(f"BR00260522{PLACE}01000000L000003E8"),
        {**AT, "ignition": True, "odometer_m": 1000.0, "attributes": TOLD},
        id="regular position",
    ),
    pytest.param(
        plain("BP05000013600000001260522V3330.0000S07036.6000W000.008153021" "11F9E064L00BEB0D4+017.7"),
        {"time": "2026-05-22T08:15:30.000Z", "valid": False, "latitude": -33.5, "longitude": -70.61, "speed_kmh": 0.0,
         "course_deg": 21.0, "ignition": True, "odometer_m": 12497108.0,
         "attributes": {"charge": False, "in2": 1, "panic": 1, "out2": 1, "blocked": 1, "hs3": 1, "door": 1, "ls3": 1, "ls2": 1,
                        "ls1": 1, "fuel": 0x64, "temp1": 17.7}},
        id="login with the IMEI: south and west, a short course, all inputs and a temperature",
    ),
    pytest.param(
        plain("BR00260522A4313.2000N 7658.2000E 61.2081530 13.4001000000L00000000"),
        {**AT, "course_deg": 13.4, "ignition": True, "odometer_m": 0.0, "attributes": TOLD},
        id="blanks for zeros",
    ),
    pytest.param(
        plain(f"BO012260522{PLACE}00000000L00000000"),
        {**AT, "ignition": False, "odometer_m": 0.0, "alarm": "sos", "attributes": TOLD},
        id="alarm",
    ),
    pytest.param(
        plain(f"BQ81,ALARM,4,164,260522{PLACE},00000000"), {**AT, "alarm": "hardBraking", "attributes": {}}, id="harsh driving"
    ),
    pytest.param(
        plain(f"BR00251822{PLACE}00000000L00000000"),
        {**AT, "time": "2026-06-22T08:15:30.000Z", "ignition": False, "odometer_m": 0.0, "attributes": TOLD},
        id="months are counted on past the year's end",
    ),
    pytest.param(
        with_commas("ZC17,220526,A,4313.2000N,07658.2000E,61.2,081530,213.40,64.50,9"),
        {**AT, "alarm": "removing", "attributes": {}},
        id="with commas: day first, the type is the event",
    ),
    pytest.param(
        with_commas("DW36,220526,A,4313.2000N,07658.2000E,61.2,081530,213.40,64.50,9"),
        {**AT, "ignition": False, "attributes": {}},
        id="with commas: ignition off",
    ),
    pytest.param(
        with_commas("ZC20,220526,081530,5,392,125,255"),
        {**NO_FIX, "time": "2026-05-22T08:15:30.000Z", "battery_percent": 80.0, "battery_v": 3.92, "power_v": 12.5,
         "attributes": {}},
        id="batteries",
    ),
    pytest.param(
        with_commas("ZC20,220526,081530,255,65535,65535,255"),
        {**NO_FIX, "time": "2026-05-22T08:15:30.000Z", "attributes": {}},
        id="no batteries",
    ),
    pytest.param(
        with_commas("ZC03,220526,081530,$Notice: (1) done$"),
        {**NO_FIX, "time": "2026-05-22T08:15:30.000Z", "attributes": {"result": "Notice: (1) done"}},
        id="answer in free text, with a bracket",
    ),
    pytest.param(
        with_commas("DW51,401,2,21065,10203,1,02:00:5E:10:00:07*-65*1,220526,081530"),
        {**NO_FIX, "time": "2026-05-22T08:15:30.000Z", "alarm": "movement", "attributes": {"network": {
            "cellTowers": [cell(21065, 10203)],
            "wifiAccessPoints": [{"macAddress": "02:00:5e:10:00:07", "signalStrength": -65, "channel": 1}]}}},
        id="a cell and an access point",
    ),
    pytest.param(
        plain("BZ00,401,2,5249,27db,43,5249,27dc,36"),
        {**NO_FIX, "attributes": {"network": {"cellTowers": [cell(0x5249, 0x27DB)]}}},
        id="cell",
    ),
    pytest.param(
        plain("BP05353816051234565,{401,2,21065,10203}\n{401,2,21065,10204}\n,01000000"),
        {**NO_FIX, "odometer_m": 16777216.0, "attributes": {"network": {"cellTowers": [cell(21065, 10203), cell(21065, 10204)]}}},
        id="login with cells",
    ),
    pytest.param(plain("BV00WVWZZZ1JZXW000001"), {**NO_FIX, "attributes": {"vin": "WVWZZZ1JZXW000001"}}, id="VIN"),
    pytest.param(plain("BV011"), {**NO_FIX, "attributes": {"result": "1"}}, id="answer to a command"),
    pytest.param(
        plain("BS50" + BATTERY_PACK),
        {**NO_FIX, "battery_v": 56.32, "battery_percent": 99.0, "attributes": {
            "battery1": 4.081, "battery2": 4.08, "charge": True, "current": 1.0, "batteryOverheat": True,
            "chargeProtection": False, "dischargeProtection": True, "cycles": 4, "faultAlarm": 5, "powerTemp": 28,
            "equilibriumTemp": 29, "batteryTemp1": 26, "batteryTemp2": 27, "calibrationCapacity": 40.0,
            "dischargeCapacity": 160}},
        id="a pack's own message",
    ),
    pytest.param(
        plain("BS5190:0002010230750003,91:A00F01980F02,92:4601450200,96:01464748"),
        {**NO_FIX, "attributes": {
            "cumulativeVoltage": 51.2, "gatherVoltage": 51.3, "current": 0.0, "soc": 76.8, "maxCellVoltage": 4.0,
            "maxCellVoltageCount": 1, "minCellVoltage": 3.992, "minCellVoltageCount": 2, "maxTemp": 30, "maxTempCount": 1,
            "minTemp": 29, "minTempCount": 2, "cellTemp1": 30, "cellTemp2": 31, "cellTemp3": 32}},
        id="a pack's CAN messages",
    ),
]  # fmt: skip
MESSAGES = [cast(bytes, row.values[0]) for row in ROWS]


@pytest.mark.parametrize(("data", "expected"), ROWS)
def test_a_report_is_read_whole(data: bytes, expected: dict[str, object]) -> None:
    assert laws.rows(CODEC, data) == [expected]


@pytest.mark.parametrize(
    ("data", "reply", "acks"),
    [
        pytest.param(plain("BP00000013600000001HSO"), f"({ID}AP01HSO)", [], id="handshake"),
        pytest.param(MESSAGES[1], "", [f"({ID}AP05)"], id="login with a position"),
        pytest.param(plain("BP05013600000001234"), f"({ID}AP05)", [], id="login alone"),
        pytest.param(MESSAGES[3], "", [f"({ID}AS012)"], id="alarm"),
        pytest.param(MESSAGES[0], "", [""], id="regular position"),
        pytest.param(MESSAGES[6], "", [""], id="with commas"),
    ],
)
def test_answers(data: bytes, reply: str, acks: list[str]) -> None:
    received = laws.hear(Link(), data)
    assert received.reply == reply.encode()
    assert [frame.ack for frame in received.frames] == [ack.encode() for ack in acks]
    stranger = laws.hear(Link(), data, known=False)
    assert (stranger.reply, stranger.frames) == (b"", [])


def test_who_speaks() -> None:
    assert Link().receive(MESSAGES[0]).login == ID
    assert Link().receive(MESSAGES[6]).login == COMMA_ID
    assert Link().receive(b"(01407118265BR00)").login == "01407118265"
    assert Link().receive(b"(bus-7,BP05,220526)").login == "bus-7"
    assert Link().receive(b"(0136A0000001BR00)").login == "0136A0000001"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(plain("BQ86,0,0555"), "no place in a message of type BQ86", id="unknown type"),
        pytest.param(plain("BS5001"), "only 1 bytes", id="a battery that is cut short"),
        pytest.param(plain(f"BR00260522{PLACE}".replace("081530", "251530")), "no such time", id="no such hour"),
        pytest.param(with_commas("ZC20,220526"), "a field can't be read", id="too few fields"),
    ],
)
def test_what_cannot_be_read_is_said(data: bytes, reason: str) -> None:
    decoded = CODEC.decode(laws.hear(Link(), data).frames)
    assert len(decoded.columns) == 0
    assert [reason in bad.reason for bad in decoded.unreadable] == [True]


def test_what_the_tracker_answers() -> None:
    said = plain("BV011") + with_commas("ZC03,220526,081530,$ok$")
    assert laws.hear(Link(), said).answers == [Answer("1"), Answer("220526,081530,$ok")]


@pytest.mark.parametrize(
    ("kind", "parameters", "words", "comma_words"),
    [
        ("engineStop", {}, "AV010", None),
        ("engineResume", {}, "AV011", None),
        ("getVersion", {}, "AP07", "*about*"),
        ("positionSingle", {}, "AP00", "*getposl*"),
        ("positionPeriodic", {"frequency": 60}, "AR00003C0000", "*routetrack*99*"),
        ("positionStop", {}, "AR0000000000", "*routetrackoff*"),
        ("rebootDevice", {}, "AT00", "88888888"),
        ("outputControl", {"index": 1, "data": "1"}, "AV001", None),
        ("setOdometer", {"data": 0}, "AX01", None),
        ("custom", {"data": "AP07"}, "AP07", "AP07"),
        ("getDeviceStatus", {}, None, "*status*"),
        ("deviceIdentification", {}, None, "999999"),
        ("powerOff", {}, None, "*turnoff*"),
        ("modeDeepSleep", {"enable": True}, None, "*sleep*2*"),
        ("modePowerSaving", {"enable": False}, None, "*sleepoff*"),
        ("alarmSos", {"enable": True}, None, "*soson*"),
        ("setConnection", {"server": "gps.example.org", "port": 5002}, None, "*setip*gps*example*org*5002*"),
        ("sosNumber", {"index": 1, "phone": "+77010000000"}, None, "*master*123456*+77010000000*"),
    ],
)
def test_commands(kind: str, parameters: dict[str, object], words: str | None, comma_words: str | None) -> None:
    command = checked(kind, parameters)
    assert kind in CODEC.commands
    for hello, expected in (
        (MESSAGES[0], words and f"({ID}{words})"),
        (MESSAGES[6], comma_words and f"[begin]sms2,{comma_words},[end]"),
    ):
        link = Link()
        laws.hear(link, hello)
        if expected:
            assert link.command(command, 1, "") == expected.encode()
        else:
            with pytest.raises(CannotSend):
                link.command(command, 1, "")


def test_a_mileage_of_other_than_0_and_too_long_an_interval_are_refused() -> None:
    for command in (Command("setOdometer", {"data": 5}), Command("positionPeriodic", {"frequency": 70_000})):
        with pytest.raises(CannotSend):
            Link().command(command, 1, "")


def test_a_text_that_never_ends_is_not_kept() -> None:
    link = Link()
    link.receive(b"(0136$")
    assert link.receive(b")" * (LARGEST_FRAME_BYTES + 1)).close


def test_many_texts_in_one_message_cost_their_length_alone() -> None:
    begun = time.perf_counter()
    received = laws.hear(Link(), b"(" + b"$$" * 600_000 + b")" + MESSAGES[0])
    assert (len(received.frames), time.perf_counter() - begun < 1) == (1, True)


def test_laws() -> None:
    laws.hold(CODEC, [*MESSAGES, plain("BP00000013600000001HSO") + b"\r\n"])


def test_a_datagram_may_lack_its_brackets() -> None:
    assert CODEC.datagram is not None
    assert len(laws.hear(CODEC.datagram(), MESSAGES[0].strip(b"()")).frames) == 1
