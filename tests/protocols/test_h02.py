"""H02: frames of the makers' manuals and frames built from their layout, with all their values; answers, commands, laws."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest

from protocols import Answer, CannotSend, Command
from protocols.commands import checked
from protocols.h02 import CODEC, Link
from telematics.simulator.fix import Fix
from telematics.simulator.h02 import Tracker
from tests.protocols import laws

IMEI = "353505910449999"  # of HuaSunTeK's examples
PLACE = "A,2239.4210,N,11400.8825,E,0.00,348,180814"
AT = {"valid": True, "latitude": 22.657017, "longitude": 114.014708, "speed_kmh": 0.0, "course_deg": 348.0}
WELL = {"ignition": True, "attributes": {"status": 0xFFFFFFFF}}
POINT = "2239.4210,N,11400.8825,E,0.00,348,{},FFFFFFFF,1CC,0,25FC,F48"
BINARY = bytes.fromhex("24 4109000001 074530 180814 22394210 05 114008825e 060348 fffffbff ff0007")
LONG_BINARY = bytes.fromhex("24 3535059104499990 074530 180814 22394210 5a 114008825e 060348 ffffffff 019100213c4100521100")
MILEAGE = bytes.fromhex("58 0000130502 074530 180814 22394210 15 1140088252 060348 fff7ffff ff0007")


def text(body: str, name: str = IMEI) -> bytes:
    return f"*HQ,{name},{body}#".encode()


BLIND = text(f"BC,052825,138,A,{POINT.format('03182512')};V,{POINT.format('31182612')}")


def near(row: dict[str, object]) -> dict[str, object]:
    return {key: round(value, 6) if key in ("latitude", "longitude") and isinstance(value, float) else value
            for key, value in row.items()}  # fmt: skip


ROWS = [
    pytest.param(
        text(f"V1,052825,{PLACE},FFFFFFFF,90,3,460,0,9376,8532,9876,4357,0,0"),
        {"time": "2014-08-18T05:28:25.000Z", **AT, "ignition": True,
         "attributes": {"status": 0xFFFFFFFF, "io1": "90", "io2": "3", "io3": "460", "io4": "0", "io5": "9376", "io6": "8532",
                        "io7": "9876", "io8": "4357", "io9": "0", "io10": "0"}},
        id="the maker's position",
    ),
    pytest.param(
        text("V1,235959,V,3330.0000,S,07036.6000,W,010.00,090,311225,FFFFFBFF, 2a,,x"),
        {"time": "2025-12-31T23:59:59.000Z", "valid": False, "latitude": -33.5, "longitude": -70.61, "speed_kmh": 18.52,
         "course_deg": 90.0, "ignition": False, "attributes": {"status": 0xFFFFFBFF, "io1": "2a", "io3": "x"}},
        id="south and west are negative, knots; without a fix; an empty field is not sent",
    ),
    pytest.param(
        text("V1,000001,A,38.6000,N,12.3000,W,,,010125,FFFFFFFF"),
        {"time": "2025-01-01T00:00:01.000Z", "valid": True, "latitude": 0.643333, "longitude": -0.205, "speed_kmh": 0.0,
         "course_deg": 0.0, **WELL},
        id="degrees of 0 are left out; no speed and no course are 0",
    ),
    pytest.param(
        text("V1,000001,A,22393000,N,114006000,E,000.00,000,010125,FFFFFFFF"),
        {"time": "2025-01-01T00:00:01.000Z", "valid": True, "latitude": 22.655, "longitude": 114.01, "speed_kmh": 0.0,
         "course_deg": 0.0, **WELL},
        id="four decimals without a point",
    ),
    pytest.param(
        text("V1,000001,A,-23-3.3000,S,-48-2.4000,W,1.0,158,010125,FFFFFFFF"),
        {"time": "2025-01-01T00:00:01.000Z", "valid": True, "latitude": -23.055, "longitude": -48.04, "speed_kmh": 1.852,
         "course_deg": 158.0, **WELL},
        id="a sign before degrees and minutes besides the letter",
    ),
    pytest.param(
        text("V1,,B,2239.4210,N,11400.8825,E,0.00,348,4,180814,FFFFFFFF"),
        {"time": "2014-08-18T00:00:00.000Z", **AT, "valid": False, **WELL},
        id="no time of day, found by compass, a battery bar before the date",
    ),
    pytest.param(
        text(f"V19,052825,{PLACE},5,8613800000000,89860000000000000000,FFFBFFFF,460"),
        {"time": "2014-08-18T05:28:25.000Z", **AT, "ignition": True, "alarm": "sos",
         "attributes": {"status": 0xFFFBFFFF, "io1": "460"}},
        id="three fields of the SIM card before the status",
    ),
    pytest.param(
        text(f"V1,052825,{PLACE},FFFFDFFF,1204600,-7,55.5,18,5141,5A20"),
        {"time": "2014-08-18T05:28:25.000Z", **AT, "altitude_m": 18.0, "ignition": True, "odometer_m": 1204600.0,
         "attributes": {"status": 0xFFFFDFFF, "temp1": -7, "fuel": 55.5}},
        id="odometer, temperature, fuel, altitude",
    ),
    pytest.param(
        text("VI1,052825,0,2239.4210,N,11400.8825,E,0.00,348,180814,FFFFFFFF,1CC,0,25FC,F48,90,  25FC-F48-10|"),
        {"time": "2014-08-18T05:28:25.000Z", **AT, "ignition": True,
         "attributes": {"status": 0xFFFFFFFF, "io1": "1CC", "io2": "0", "io3": "25FC", "io4": "F48", "io5": "90",
                        "io6": "25FC-F48-10|"}},
        id="the maker's request for an address: a coding scheme instead of A",
    ),
    pytest.param(
        text("ALRM,1,052825,0,2239.4210,N,11400.8825,E,0.00,348,180814,FFFFFFFF"),
        {"time": "2014-08-18T05:28:25.000Z", **AT, **WELL, "alarm": "sos"},
        id="the maker's alarm",
    ),
    pytest.param(
        text(f"V4,S20,80,130305,052825,{PLACE},F7FFFBFF, 460,000"),
        {"time": "2014-08-18T05:28:25.000Z", **AT, "ignition": False,
         "attributes": {"result": "S20,80,130305", "status": 0xF7FFFBFF, "io1": "460", "io2": "000"}},
        id="an answer to a command, with the place",
    ),
    pytest.param(
        text("V4,CR"), {"time": None, "valid": False, "attributes": {"result": "CR"}, "no_fix": True}, id="a bare answer"
    ),
    pytest.param(
        text("SMS,IP ok, port 7"),
        {"time": None, "valid": False, "attributes": {"result": "IP ok, port 7"}, "no_fix": True},
        id="an answer to a text",
    ),
    pytest.param(
        text("VP1,A,2239.4210,N,11400.8825,E,0.00,348,180814,FFFFFFFF,90"),
        {"time": "2014-08-18T00:00:00.000Z", **AT, "ignition": True, "attributes": {"status": 0xFFFFFFFF, "io1": "90"}},
        id="the maker's simple position",
    ),
    pytest.param(
        text("VP1,V,460,0,9376,8532,99Y9876,4357,99Y0,0,99Y"),
        {"time": None, "valid": False, "no_fix": True, "attributes": {"network": {"cellTowers": [
            {"mobileCountryCode": 460, "mobileNetworkCode": 0, "locationAreaCode": 9376, "cellId": 8532, "signalStrength": 99},
            {"mobileCountryCode": 460, "mobileNetworkCode": 0, "locationAreaCode": 9876, "cellId": 4357, "signalStrength": 99},
        ]}}},
        id="the maker's cells",
    ),
    pytest.param(
        text("NBR,101530,401,2,0,2,21065,10203,40,21065,10204,-70,180814,FFFFFBFF"),
        {"time": "2014-08-18T10:15:30.000Z", "valid": False, "no_fix": True, "ignition": False, "attributes": {
            "status": 0xFFFFFBFF, "network": {"cellTowers": [
                {"mobileCountryCode": 401, "mobileNetworkCode": 2, "locationAreaCode": 21065, "cellId": 10203,
                 "signalStrength": 40},
                {"mobileCountryCode": 401, "mobileNetworkCode": 2, "locationAreaCode": 21065, "cellId": 10204,
                 "signalStrength": -70},
            ]}}},
        id="neighbouring cells",
    ),
    pytest.param(
        text("NBR,101530,401,2,0,6,21065,10203,40,180814,FFFFFBFF,1"),
        {"time": "2014-08-18T10:15:30.000Z", "valid": False, "no_fix": True, "ignition": False, "attributes": {
            "status": 0xFFFFFBFF, "network": {"cellTowers": [
                {"mobileCountryCode": 401, "mobileNetworkCode": 2, "locationAreaCode": 21065, "cellId": 10203,
                 "signalStrength": 40}]}}},
        id="fewer cells than are said, and a field behind the status",
    ),
    pytest.param(
        text(f"V4,052825,{PLACE},FFFFFBFF"),
        {"time": "2014-08-18T05:28:25.000Z", **AT, "ignition": False, "attributes": {"status": 0xFFFFFBFF}},
        id="an answer without words",
    ),
    pytest.param(
        text("HTBT,52,"),
        {"time": None, "valid": False, "attributes": {}, "battery_percent": 52.0, "no_fix": True},
        id="heartbeat with a battery and an empty field",
    ),
    pytest.param(
        text("V3,101530,40102,01,21065,10203,128,-92,02E4,0,X,180814,FFFFFFFE"),
        {"time": "2014-08-18T10:15:30.000Z", "valid": False, "no_fix": True, "ignition": True, "battery_v": 7.4,
         "alarm": "vibration", "attributes": {"status": 0xFFFFFFFE, "network": {"cellTowers": [
             {"mobileCountryCode": 401, "mobileNetworkCode": 2, "locationAreaCode": 21065, "cellId": 10203}]}}},
        id="cells and battery",
    ),
    pytest.param(
        text("LINK,101530,15,7,84,120,3,180814,FFFFFFFB"),
        {"time": "2014-08-18T10:15:30.000Z", "valid": False, "no_fix": True, "satellites": 7.0, "ignition": True,
         "battery_percent": 84.0, "gsm": 15.0, "alarm": "overspeed",
         "attributes": {"steps": 120, "turnovers": 3, "status": 0xFFFFFFFB}},
        id="heartbeat with numbers",
    ),
    pytest.param(
        text("HTBT,52"),
        {"time": None, "valid": False, "attributes": {}, "battery_percent": 52.0, "no_fix": True},
        id="heartbeat with a battery",
    ),
    pytest.param(
        BINARY,
        {"time": "2014-08-18T07:45:30.000Z", **AT, "speed_kmh": 111.12, "ignition": False, "battery_percent": 80.0,
         "attributes": {"status": 0xFFFFFBFF}},
        id="binary: five of six bars",
    ),
    pytest.param(
        LONG_BINARY,
        {"time": "2014-08-18T07:45:30.000Z", **AT, "speed_kmh": 111.12, "battery_percent": 90.0, **WELL},
        id="binary with all of the IMEI",
    ),
    pytest.param(
        BINARY + MILEAGE,
        {"time": "2014-08-18T07:45:30.000Z", "valid": True, "latitude": -22.657017, "longitude": -114.014708,
         "speed_kmh": 111.12, "course_deg": 348.0, "ignition": True, "odometer_m": 130502 * 1852 / 3600, "alarm": "powerCut",
         "attributes": {"status": 0xFFF7FFFF, "temp1": 0x15}},
        id="binary with mileage, from the tracker that spoke before; south and west",
    ),
]  # fmt: skip
MESSAGES = [cast(bytes, row.values[0]) for row in ROWS if row.values[0] not in (BINARY + MILEAGE, LONG_BINARY)]


@pytest.mark.parametrize(("data", "expected"), ROWS)
def test_a_report_is_read_whole(data: bytes, expected: dict[str, object]) -> None:
    *_, last = laws.rows(CODEC, data)
    assert near(last) == near(laws.rounded(expected))


def test_points_from_where_there_was_no_network_take_the_month_of_the_last_position() -> None:
    """The maker's example, with a point of the month before."""
    _, *late = map(near, laws.rows(CODEC, text(f"V1,052825,{PLACE},FFFFFFFF") + BLIND))
    told = {"ignition": True, "attributes": {"archive": True, "status": 0xFFFFFFFF, "io1": "1CC", "io2": "0", "io3": "25FC",
                                             "io4": "F48"}}  # fmt: skip
    assert late == [
        {"time": "2014-08-03T18:25:12.000Z", **AT, **told},
        {"time": "2014-07-31T18:26:12.000Z", **AT, **told, "valid": False},
    ]


def test_the_plain_position_is_the_same_the_long_way() -> None:
    """The fast pattern takes `2239.4210`; a blank before the speed sends it the long way."""
    plain, other = text(f"V1,052825,{PLACE},FFFFFFFF,90"), text("V1,052825," + PLACE.replace(",0.00", ", 0.00") + ",FFFFFFFF,90")
    assert laws.rows(CODEC, plain) == laws.rows(CODEC, other) != []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(text("V1,052825,A,2239.4210,N,11400.8825,E,0.00,348,310214,FFFFFFFF"), "no such day", id="31 February"),
        pytest.param(text("V1,052825,V,,N,,E,0.00,348,180814,FFFFFFFF"), "no degrees and minutes", id="no place"),
        pytest.param(BLIND, "no position came before", id="no month is known"),
        pytest.param(text(f"V1,052825,{PLACE[:-6]}7,FFFFFFFF"), "no date", id="half a date"),
        pytest.param(text("BS,,2d4,a"), "no place in a message of type BS", id="unknown type"),
        pytest.param(
            text("NBR,101530,401,2,0,9,21065,10203,40,21065"), "no date behind the cells", id="cells that are cut short"
        ),
    ],
)
def test_what_cannot_be_read_is_said(data: bytes, reason: str) -> None:
    decoded = CODEC.decode(laws.hear(Link(), data).frames)
    assert len(decoded.columns) == 0
    assert [reason in bad.reason for bad in decoded.unreadable] == [True]


@pytest.mark.parametrize(
    ("data", "reply", "ack"),
    [
        pytest.param(text(f"V1,052825,{PLACE},FFFFFFFF"), b"", b"*HQ,353505910449999,V4,V1,20140818052825#", id="position"),
        pytest.param(
            b"*TH,4109000001,NBR,101530,401,2,0,1,21065,10203,40,180814,FFFFFBFF#",
            b"",
            b"*TH,4109000001,V4,NBR,20140818101530#",
            id="cells, in the tracker's own maker's name",
        ),
        pytest.param(text("HTBT"), b"*HQ,353505910449999,HTBT#", None, id="heartbeat"),
        pytest.param(text("HTBT,52"), b"", b"*HQ,353505910449999,HTBT#", id="heartbeat that holds a report"),
        pytest.param(text("XT"), b"", None, id="the maker's heartbeat wants nothing"),
        pytest.param(BINARY, b"", b"", id="binary"),
    ],
)
def test_answers(data: bytes, reply: bytes, ack: bytes | None) -> None:
    received = laws.hear(Link(), data)
    assert received.reply == reply
    assert [frame.ack for frame in received.frames] == ([] if ack is None else [ack])
    stranger = laws.hear(Link(), data, known=False)
    assert (stranger.reply, stranger.frames) == (b"", [])


@pytest.mark.parametrize(
    ("data", "name"),
    [
        pytest.param(text("HTBT"), IMEI, id="text"),
        pytest.param(BINARY, "4109000001", id="binary"),
        pytest.param(LONG_BINARY, IMEI, id="binary, all of the IMEI"),
    ],
)
def test_who_speaks(data: bytes, name: str) -> None:
    assert Link().receive(data).login == name


def test_a_name_is_asked_for_once_and_a_stranger_is_not_taken_for_the_one_before() -> None:
    link = Link()
    assert len(laws.hear(link, text("HTBT,1")).frames) == 1
    assert link.receive(text("HTBT,2")).login is None
    assert link.receive(text("HTBT,3", name="11")).login == "11"
    assert link.admit(known=False).frames == []
    assert link.receive(text("HTBT,4", name="")).rejects[0].reason == "no tracker's id can be read"
    assert link.receive(text("HTBT,5")).login == IMEI


@pytest.mark.parametrize("tail", ["", "00", "001a030000000001910002133c410a", "24" * 6, "2a2a", "0a"])
def test_what_follows_a_binary_record_is_passed_over(tail: str) -> None:
    received = laws.hear(Link(), BINARY + bytes.fromhex(tail) + BINARY + bytes.fromhex(tail) + text("HTBT,5", name="4109000001"))
    assert [frame.kind for frame in received.frames] == ["$", "$", "HTBT"]
    assert received.rejects == []


@pytest.mark.parametrize("junk", [b"hello", b"$$", b"$" + b"\xff" * 40, bytes(50)])
def test_junk_costs_only_itself(junk: bytes) -> None:
    """Wherever a record or a line could begin it is tried."""
    received = laws.hear(Link(), junk + BINARY + text("HTBT,5"))
    assert [frame.kind for frame in received.frames] == ["$", "HTBT"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        pytest.param(f"V4,S20,DONE,000102,050316,{PLACE},FFFFFFFF", Answer("S20,DONE,000102", 62, ok=True), id="done"),
        pytest.param(f"V4,S20,ERROR,181215,050316,{PLACE},FFFFFFFF", Answer("S20,ERROR,181215", 65535, ok=False), id="error"),
        pytest.param(f"V4,S20,80,130305,050316,{PLACE},FFFFFFFF", Answer("S20,80,130305", 46985, ok=True), id="code of success"),
        pytest.param(f"V4,MP,03,130305,050316,{PLACE},FFFFFFFF", Answer("MP,03,130305", 46985, ok=False), id="code of failure"),
        pytest.param(f"V4,SF,050316,{PLACE},FFFFFFFF", Answer("SF"), id="no time of the command"),
        pytest.param("V4,CQ", Answer("CQ"), id="nothing but the command"),
        pytest.param("SMS,done", Answer("done"), id="by SMS"),
    ],
)
def test_what_the_tracker_answers(said: str, answer: Answer) -> None:
    link = Link()
    laws.hear(link, text("HTBT"))
    for serial in (62, 65535, 46985):
        link.command(Command("getDeviceStatus"), serial, "")
    assert laws.hear(link, text(said)).answers == [answer]


def test_a_time_that_is_no_serial_of_ours_is_the_trackers_own() -> None:
    said = text(f"V4,S20,DONE,000102,050316,{PLACE},FFFFFFFF")
    assert laws.hear(Link(), said).answers == [Answer("S20,DONE,000102", ok=True)]


@pytest.mark.parametrize(
    ("kind", "parameters", "sent"),
    [
        ("engineStop", {}, "S20,000102,1,1"),
        ("engineResume", {}, "S20,000102,1,0"),
        ("alarmArm", {}, "SCF,000102,0,0"),
        ("alarmDisarm", {}, "SCF,000102,1,1"),
        ("alarmDismiss", {}, "R7,000102"),
        ("factoryReset", {}, "RESET,000102"),
        ("rebootDevice", {}, "R1,000102"),
        ("positionSingle", {}, "D1,000102,30,1"),
        ("positionPeriodic", {"frequency": 60}, "S71,000102,22,60"),
        ("setSpeedLimit", {"data": 100}, "S14,000102,54,0,2,10"),
        ("getDeviceStatus", {}, "INFO"),
        ("deviceIdentification", {}, "INFO"),
        ("custom", {"data": "S17,1800"}, "S17,000102,1800"),
    ],
)
def test_commands(kind: str, parameters: dict[str, object], sent: str) -> None:
    link = Link()
    laws.hear(link, b"*TH,4109000001,HTBT#")
    command = checked(kind, parameters)
    assert link.command(command, 62, "") == f"*TH,4109000001,{sent}#".encode()
    assert CODEC.sms is not None
    assert CODEC.sms(command, "") == f"*HQ,000,{sent.replace('000102', '000001')}#"


def test_every_command_has_words_and_no_other() -> None:
    link = Link()
    laws.hear(link, text("HTBT"))
    assert link.command(Command("custom", {"data": "*HQ,000,R1,130305"}), 1, "") == b"*HQ,000,R1,130305#"
    for kind in CODEC.commands:
        link.command(Command(kind, {"data": 10, "frequency": 10}), 1, "")
    with pytest.raises(CannotSend, match="positionSingle"):
        link.command(Command("requestPhoto", {"index": 1}), 1, "")


def test_laws() -> None:
    laws.hold(CODEC, [*MESSAGES, BINARY, BLIND, text("HTBT") + b"\r\n"])


def test_datagrams() -> None:
    assert CODEC.datagram is not None
    assert [frame.kind for frame in laws.hear(CODEC.datagram(), BINARY + b"\0" * 13).frames] == ["$"]
    assert laws.hear(CODEC.datagram(), text("HTBT")[:-1]).rejects[0].reason == "the datagram is cut short"


def test_what_the_simulator_builds_is_read_back() -> None:
    tracker = Tracker("356307042441013")
    fixes = [
        Fix(time=datetime(2026, 5, 22, 8, 15, 30, tzinfo=UTC), latitude=43.238949, longitude=76.889709, speed_kmh=61.2,
            course_deg=213.4, alarm="sos"),
        Fix(time=datetime(2026, 5, 22, 8, 15, 40, tzinfo=UTC), latitude=-0.0000017, longitude=-179.9999999, ignition=False),
    ]  # fmt: skip
    received = laws.hear(Link(), tracker.report(fixes))
    first, second = map(near, CODEC.decode(received.frames).columns.rows())
    assert (first["time"], first["alarm"], first["ignition"]) == ("2026-05-22T08:15:30.000Z", "sos", True)
    assert first["latitude"] == pytest.approx(43.238949, abs=1e-6)
    assert first["longitude"] == pytest.approx(76.889709, abs=1e-6)
    assert first["speed_kmh"] == pytest.approx(61.2, abs=0.01)
    assert first["course_deg"] == 213.0
    assert (second["latitude"], second["longitude"], second["ignition"]) == (-0.000002, -180.0, False)
    assert tracker.receive(b"".join(frame.ack for frame in received.frames)) == 2
    status = laws.rows(CODEC, tracker.status(fixes[0]))
    assert [(row["battery_percent"], row["gsm"], row["satellites"]) for row in status] == [(90.0, 4.0, 12.0)]


def test_a_simulated_tracker_has_digits_for_a_name() -> None:
    with pytest.raises(ValueError, match="digits"):
        Tracker("bus")
