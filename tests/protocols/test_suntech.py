"""Suntech: lines built by hand from the layouts of the maker's manuals, with all their values; answers, commands, laws."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from protocols import Answer, CannotSend, Command, Frame
from protocols.commands import checked
from protocols.suntech import CODEC
from protocols.suntech.binary import CRASH_BYTES
from protocols.suntech.link import Link
from telematics.simulator.fix import Fix
from telematics.simulator.suntech import Tracker, UdpTracker
from tests.protocols import laws

ID = "907654321"
TIME = "20260520;10:33:36"
PLACE = "+43.202434;-076.908456;050.250;120.50"
AT = {"time": "2026-05-20T10:33:36.000Z", "valid": True, "latitude": 43.202434, "longitude": -76.908456, "speed_kmh": 50.25,
      "course_deg": 120.5}  # fmt: skip
LEGACY = {**AT, "satellites": 11.0, "odometer_m": 123456.0, "power_v": 12.6, "ignition": True}
IO = {"in1": False, "in2": True, "in3": False, "out1": True, "out2": False}
UNIVERSAL = {**AT, "satellites": 11.0, "gsm": 24.0, "ignition": True}


def line(text: str) -> bytes:
    return text.encode() + b"\r"


def st300(kind: str, tail: str) -> bytes:
    return line(f"ST300{kind};{ID};02;534;{TIME};0a3f12;{PLACE};11;1;123456;12.60;101010;{tail}")


def universal(kind: str, mask: str, tail: str) -> bytes:
    return line(f"{kind};{ID};{mask};84;1.1.3;1;{TIME};00001234;401;77;00AB;24;{PLACE};11;1;00000101;00000010;{tail}")


CELLS = "5001;401;77;-70;33;2" + ";0;0;0;0;0;0" * 6
SA200 = line(f"SA200STT;{ID};131;{TIME};0a3f12;{PLACE};11;1;123456;12.60;101010;1;0044")
STATUS = st300("STT", "2;0042;003600;4.1;0;0.15;3.30;1.00;00000012345678;1;28AA:+5.2;:;28BB:-3.0")
ALERT = universal("ALT", "3FFFFF", "42;2;")
MODES = universal("STT", "BFFFFF", "1;3;88;0000C003;4.0;12.40;77;5432")
ZIP = bytes.fromhex(
    "82 003B 0711000022 3FFFFF 55 010010 00 1A0514 0A2124 00001234 0191 004D 00AB 18 02933782 849587A8 13A1 2F12"
    "0B 01 05 02 3B 0001 7A00000142C5D903"
)
ZIP_BYTES = len(ZIP) - 3


def old_zip(kind: str, rest: str) -> bytes:
    body = bytes.fromhex(
        f"{kind} 9076543210 02 0534 1A0514 0A2124 0A3F12 2B202434 4C908456 0032 25 0078 50 AB 0001E240 0C 60 15 {rest}"
    )
    return b"\x02" + len(body).to_bytes(2, "big") + body + b"\x03"


OLD_ZIP = old_zip("10", "02 0042")
ZIP = ZIP[:1] + ZIP_BYTES.to_bytes(2, "big") + ZIP[3:]
SERIAL = st300("UEX", "44;t_0=15;N_0=0320.0;t_1=1A;N_1=0010.0;Q_D=07\n\r;5A;000012;4.1;1")
RESULT = line(f"ST300CMD;Res;{ID};534;Enable1")

ROWS = [
    pytest.param(SA200, {**LEGACY, "attributes": {"type": "STT", "versionFw": "131", **IO, "status": 1, "index": 44}},
                 id="SA200 has no model"),
    pytest.param(
        STATUS,
        {**LEGACY, "battery_v": 4.1, "engine_hours_s": 216000.0,
         "attributes": {"type": "STT", "versionFw": "534", **IO, "status": 2, "index": 42, "archive": True, "adc1": 0.15,
                        "adc2": 3.3, "adc3": 1.0, "driverUniqueId": "00000012345678", "temp1": 5.2, "temp3": -3.0}},
        id="ST300 with all that can be set behind its report",
    ),
    pytest.param(
        line(f"ST600STT;{ID};20;430;{TIME};0000abcd;401;77;00ab;19;{PLACE};11;0;123456;12.60;101010;2;0043;;"),
        {**LEGACY, "valid": False, "attributes": {"type": "STT", "versionFw": "430", **IO, "status": 2, "index": 43}},
        id="ST600 tells more of its cell; no fix",
    ),
    pytest.param(
        line(f"ST500STT;{ID};20;430;{TIME};{PLACE};11;1;123456;12.60;1;2;0043"),
        {**{key: value for key, value in LEGACY.items() if key != "ignition"},
         "attributes": {"type": "STT", "versionFw": "430", "status": 2, "index": 43}},
        id="ST500 tells none; a short field of inputs says nothing",
    ),
    pytest.param(st300("EMG", "3"),
                 {**LEGACY, "alarm": "powerCut", "attributes": {"type": "EMG", "versionFw": "534", **IO, "event": 3}},
                 id="emergency"),
    pytest.param(st300("ALT", "46"),
                 {**LEGACY, "alarm": "hardAcceleration", "attributes": {"type": "ALT", "versionFw": "534", **IO, "event": 46}},
                 id="alert"),
    pytest.param(st300("EVT", "3"), {**LEGACY, "attributes": {"type": "EVT", "versionFw": "534", **IO, "event": 3}}, id="event"),
    pytest.param(
        SERIAL,
        {**LEGACY, "fuel_l": 816.0, "battery_v": 4.1, "engine_hours_s": 720.0,
         "attributes": {"type": "UEX", "versionFw": "534", **IO, "temp0": 21, "fuel0": 800, "temp1": 26, "fuel1": 16,
                        "drivingQuality": 7}},
        id="sensors at the serial port; the line end in the data is none",
    ),
    pytest.param(st300("UEX", "27;CabAVL,1,20.5,10,0\r\n;GTSL|;3F"), {}, id="-"),
    pytest.param(
        st300("UEX", "22;CabAVL,1,20.5,10.0,0\r\n;3F"),
        {**LEGACY, "fuel_l": 30.5, "attributes": {"type": "UEX", "versionFw": "534", **IO, "fuel1": 20.5, "fuel2": 10.0}},
        id="two tanks",
    ),
    pytest.param(
        st300("UEX", "23;GTSL|2|5|9|7700123|4|\r\n;3F"),
        {**LEGACY, "attributes": {"type": "UEX", "versionFw": "534", **IO, "driverUniqueId": "7700123"}},
        id="a driver's key",
    ),
    pytest.param(
        st300("UEX", "7;hello\r\n;3F"),
        {**LEGACY, "attributes": {"type": "UEX", "versionFw": "534", **IO, "serial": "hello"}},
        id="anything else",
    ),
    pytest.param(
        line(f"ST910;Emergency;{ID};512;{TIME};{PLACE};1;3.8;0;1;0003"),
        {**AT, "battery_v": 3.8, "alarm": "general", "attributes": {"versionFw": "512"}},
        id="ST910",
    ),
    pytest.param(
        line(f"ST910;Alert;{ID};{TIME};0a3f12;{PLACE};0;4.2"),
        {**AT, "valid": False, "battery_v": 4.2, "alarm": "general", "attributes": {}},
        id="ST910 with a cell and no odometer",
    ),
    pytest.param(
        line(f"ST910;Location;{ID};{TIME};0a3f12;{PLACE};1;77;x"),
        {**AT, "odometer_m": 77.0, "attributes": {}},
        id="ST910 of the other kind: cell and odometer, no version",
    ),
    pytest.param(
        line(f"ST410STT;{ID};417;01;{CELLS};3.9;0;0815;4;001;{TIME};{PLACE};20;1"),
        {**AT, "satellites": 20.0, "battery_v": 3.9,
         "attributes": {"type": "STT", "versionFw": "417", "archive": True, "index": 815, "status": 4}},
        id="ST410",
    ),
    pytest.param(
        line(f"ST410STT;{ID};417;01;{CELLS};3.9;1;0815;4;;"),
        {"time": None, "valid": False, "battery_v": 3.9, "no_fix": True,
         "attributes": {"type": "STT", "versionFw": "417", "index": 815, "status": 4}},
        id="ST410 without a place",
    ),
    pytest.param(
        line(f"ST410STT;{ID};417;41;7;{CELLS};3.9;1;0815;4;001;002;23.5;2;{TIME};{PLACE};20;1"),
        {**AT, "satellites": 20.0, "battery_v": 3.9, "motion": True,
         "attributes": {"type": "STT", "versionFw": "417", "index": 815, "status": 4}},
        id="ST410, model 41: it has a variant, and tells how it moves",
    ),
    pytest.param(
        line(f"ST410ALT;{ID};417;41;7;{CELLS};3.9;1;0815;4;002;23.5;1;;"),
        {"time": None, "valid": False, "battery_v": 3.9, "motion": False, "no_fix": True,
         "attributes": {"type": "ALT", "versionFw": "417", "index": 815, "status": 4}},
        id="ST410, model 41, at rest and without a place",
    ),
    pytest.param(
        st300("STT", "2;0042;003600;4.1"),
        {**LEGACY, "battery_v": 4.1, "engine_hours_s": 216000.0,
         "attributes": {"type": "STT", "versionFw": "534", **IO, "status": 2, "index": 42}},
        id="a short tail",
    ),
    pytest.param(
        st300("STT", "2;0042;003600;4.1;1;5001;401;77;-70;33"),
        {**LEGACY, "battery_v": 4.1, "engine_hours_s": 216000.0,
         "attributes": {"type": "STT", "versionFw": "534", **IO, "status": 2, "index": 42, "cid": 5001, "mcc": 401, "mnc": 77,
                        "dbm": -70, "lac": 33}},
        id="a tail with a cell",
    ),
    pytest.param(
        st300("STT", "2;0042;003600;4.1;1;0.1x;1.1.1;28AA:warm;:;28BB:-3.0"),
        {**LEGACY, "battery_v": 4.1, "engine_hours_s": 216000.0,
         "attributes": {"type": "STT", "versionFw": "534", **IO, "status": 2, "index": 42, "temp3": -3.0}},
        id="a tail of which much is no number",
    ),
    pytest.param(
        universal("STT", "BFFFFF", "1;3;88;0000C003;?;12.40"),
        {**UNIVERSAL, "power_v": 12.4,
         "attributes": {"type": "STT", "versionFw": "1.1.3", "input": 101, "output": 10, "mode": 1, "reason": 3, "index": 88,
                        "io1": "?"}},
        id="chosen fields: one is no number, two are missing",
    ),
    pytest.param(
        OLD_ZIP,
        {**LEGACY, "attributes": {"type": "STT", **IO, "status": 2}},
        id="the legacy report zipped",
    ),
    pytest.param(
        old_zip("11", "03 0000000C 04 10 01"),
        {**LEGACY, "alarm": "powerCut", "battery_v": 4.1, "engine_hours_s": 720.0,
         "attributes": {"type": "EMG", **IO, "event": 3}},
        id="an emergency zipped",
    ),
    pytest.param(
        old_zip("13", "2E 0000000C 04 10 00 0102"),
        {**LEGACY, "alarm": "hardAcceleration", "battery_v": 4.1, "engine_hours_s": 720.0,
         "attributes": {"type": "ALT", **IO, "event": 46, "archive": True}},
        id="an alert zipped, late, with what some models have behind it",
    ),
    pytest.param(old_zip("12", "05"), {**LEGACY, "attributes": {"type": "EVT", **IO, "event": 5}}, id="an event zipped"),
    pytest.param(
        old_zip("16", f"0011 {b't_0=15;N_0=0320.0'.hex()} 5A 0000000C 04 10 01"),
        {**LEGACY, "fuel_l": 800.0, "battery_v": 4.1, "engine_hours_s": 720.0,
         "attributes": {"type": "UEX", **IO, "temp0": 21, "fuel0": 800}},
        id="serial data zipped",
    ),
    pytest.param(
        line(f"ST300HTE;{ID};02;534;{TIME};60;12.60;000900;1.0;0;0;0;0;0;43.20;76.90;43.21;76.91;010.0;050.2;1;00000012345678"),
        {"time": None, "valid": False, "no_fix": True, "attributes": {"type": "HTE", "driverUniqueId": "00000012345678"}},
        id="the end of a trip",
    ),
    pytest.param(RESULT, {"time": None, "valid": False, "no_fix": True, "attributes": {"type": "CMD", "result": "534;Enable1"}},
                 id="an answer"),
    pytest.param(
        ALERT,
        {**UNIVERSAL, "alarm": "sos",
         "attributes": {"type": "ALT", "versionFw": "1.1.3", "input": 101, "output": 10, "event": 42, "alertModifier": "2"}},
        id="universal alert",
    ),
    pytest.param(
        universal("ALT", "3FFFFF", "59;1;ABCDEF;x;;y"),
        {**UNIVERSAL,
         "attributes": {"type": "ALT", "versionFw": "1.1.3", "input": 101, "output": 10, "event": 59, "alertModifier": "1",
                        "driverUniqueId": "ABCDEF", "assign1": "x", "assign3": "y"}},
        id="universal alert: a driver's key, and fields that nothing announces",
    ),
    pytest.param(
        MODES,
        {**UNIVERSAL, "battery_v": 4.0, "power_v": 12.4,
         "attributes": {"type": "STT", "versionFw": "1.1.3", "input": 101, "output": 10, "mode": 1, "reason": 3, "index": 88,
                        "io15": "77", "io16": "5432"}},
        id="universal status with chosen fields",
    ),
    pytest.param(
        line(f"STT;{ID};000C30;{TIME};+43.202434"), {}, id="-",
    ),
    pytest.param(
        line(f"STT;{ID};011838;0;{TIME};+43.202434;-076.908456;1"),
        {"time": AT["time"], "valid": True, "latitude": 43.202434, "longitude": -76.908456,
         "attributes": {"type": "STT", "archive": True}},
        id="universal with few fields",
    ),
    pytest.param(
        universal("UEX", "07FFFE", "7;hello\r\n;3F"),
        {**UNIVERSAL, "attributes": {"type": "UEX", "versionFw": "1.1.3", "input": 101, "output": 10, "serial": "hello"}},
        id="universal serial data",
    ),
    pytest.param(
        line(f"BLE;{ID};82;1.1.3;{TIME};+43.202434;-076.908456;1;-71;-90;-60;0A1B2C3D4E5F;7;300;4"),
        {"time": AT["time"], "valid": True, "latitude": 43.202434, "longitude": -76.908456,
         "attributes": {"type": "BLE", "versionFw": "1.1.3", "tag1Rssi": -71, "tag1Id": "0A1B2C3D4E5F", "tag1Samples": 7,
                        "tag1Major": 300, "tag1Minor": 4}},
        id="a Bluetooth tag",
    ),
    pytest.param(line(f"RES;{ID};04;01;OK"),
                 {"time": None, "valid": False, "no_fix": True, "attributes": {"type": "RES", "result": "04;01;OK"}},
                 id="universal answer"),
    pytest.param(
        ZIP,
        {**UNIVERSAL, "speed_kmh": 50.25, "course_deg": 120.5,
         "attributes": {"type": "ALT", "versionFw": "1.0.16", "archive": True, "input": 5, "output": 2, "event": 59,
                        "driverUniqueId": "7a00000142c5d903"}},
        id="zipped",
    ),
]  # fmt: skip
READ = [row for row in ROWS if row.id != "-"]
TOO_SHORT = [row.values[0] for row in ROWS if row.id == "-"]


@pytest.mark.parametrize(("data", "expected"), READ)
def test_a_report_is_read_whole(data: bytes, expected: dict[str, object]) -> None:
    assert laws.rows(CODEC, data) == [laws.rounded(expected)]


@pytest.mark.parametrize("data", TOO_SHORT)
def test_a_line_without_its_fields_is_a_dead_letter(data: bytes) -> None:
    frames = laws.hear(Link(), data).frames
    assert [len(CODEC.decode([frame]).unreadable) for frame in frames] == [1]


def crash_parts() -> list[bytes]:
    place = (432024340).to_bytes(4, "little", signed=True) + (-769084560).to_bytes(4, "little", signed=True)
    second = place + bytes.fromhex("13A1 2F12") + bytes.fromhex("0100 FEFF 0300") * 100
    content = bytes((26, 5, 20, 10, 33, 36)) + second * 4
    assert len(content) == CRASH_BYTES
    return [f"CRR;{ID};00{n};002;".encode() + half + b";00\r" for n, half in ((1, content[:1200]), (2, content[1200:]))]


def test_a_crash_comes_in_parts() -> None:
    session = Link()
    frames = [frame for part in crash_parts() for frame in laws.hear(session, part).frames]
    rows = list(CODEC.decode(frames).columns.rows())
    assert [(row["time"][14:19], row.get("alarm")) for row in rows] == [
        ("33:33", None), ("33:34", None), ("33:35", None), ("33:37", "accident"),
    ]  # fmt: skip
    samples = rows[0].pop("attributes")["gSensor"]
    assert samples == "[" + ",".join(["[1,-2,3]"] * 100) + "]"
    assert laws.rounded(rows[0]) == {**AT, "time": "2026-05-20T10:33:33.000Z"}
    alone = laws.hear(Link(), crash_parts()[1])
    assert ([bad.reason for bad in alone.rejects], alone.frames) == (["a crash of which parts are missing"], [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"-Error\r", "no fields parted by ;", id="no fields"),
        pytest.param(line(f"BSA;{ID};001FFF"), "reports of type BSA are not kept", id="universal"),
        pytest.param(line(f"ST300XYZ;{ID};1"), "reports of type XYZ are not kept", id="legacy"),
        pytest.param(line("ST910;Hello"), "no report of an ST9xx", id="ST9"),
        pytest.param(bytes.fromhex("02 0001 00 03"), "zipped reports of type 02 are not kept", id="legacy, zipped"),
        pytest.param(old_zip("14", "00"), "zipped reports of type 02 are not kept", id="legacy, zipped, of another kind"),
        pytest.param(bytes.fromhex("85 0001 00"), "zipped reports of type 85 are not kept", id="zipped"),
        pytest.param(line(f"CRR;{ID};x;y;"), "no part of a crash", id="crash"),
    ],
)
def test_what_is_not_kept_is_said(data: bytes, reason: str) -> None:
    received = laws.hear(Link(), data)
    assert ([bad.reason for bad in received.rejects], received.frames) == ([reason], [])


def test_each_line_names_its_tracker() -> None:
    session = Link()
    assert session.receive(line("ST300ALV;600100")).login == "600100"
    assert session.admit(True).frames == []
    assert session.receive(STATUS).login == ID
    assert session.admit(False).frames == []
    assert session.receive(ZIP).login == "0711000022"


@pytest.mark.parametrize(
    ("data", "ack"), [(STATUS, f"ST300ACK;{ID}\r"), (ALERT, f"ACK;{ID}\r"), (ZIP, "ACK;0711000022\r"), (RESULT, "")]
)
def test_a_datagram_is_acknowledged(data: bytes, ack: str) -> None:
    assert CODEC.datagram is not None
    assert [frame.ack for frame in laws.hear(CODEC.datagram(), data.removesuffix(b"\r")).frames] == [ack.encode()]
    assert [frame.ack for frame in laws.hear(Link(), data).frames] == [b""]


def test_answers_to_commands() -> None:
    assert laws.hear(Link(), RESULT).answers == [Answer("534;Enable1")]
    assert laws.hear(Link(), line(f"RES;{ID};04;01;OK")).answers == [Answer("04;01;OK")]


COMMANDS: list[tuple[str, dict[str, object], str, str]] = [  # in the words of an SA200, and universal; empty: it has none
    ("custom", {"data": "SA200CMD;1;02;PresetA"}, "SA200CMD;1;02;PresetA", "SA200CMD;1;02;PresetA"),
    ("alarmArm", {}, f"SA200CMD;{ID};02;Enable2", f"CMD;{ID};04;03"),
    ("alarmDisarm", {}, f"SA200CMD;{ID};02;Disable2", f"CMD;{ID};04;04"),
    ("alarmDismiss", {}, f"SA200CMD;{ID};02;AckEmerg", ""),
    ("engineResume", {}, f"SA200CMD;{ID};02;Disable1", f"CMD;{ID};04;02"),
    ("engineStop", {}, f"SA200CMD;{ID};02;Enable1", f"CMD;{ID};04;01"),
    ("factoryReset", {}, f"SA200CMD;{ID};02;Reset", ""),
    ("outputControl", {"index": 3, "data": "0"}, f"SA200CMD;{ID};02;Disable3", f"CMD;{ID};04;10"),
    ("positionSingle", {}, f"SA200CMD;{ID};02;StatusReq", f"CMD;{ID};03;01"),
    ("rebootDevice", {}, f"SA200CMD;{ID};02;Reboot", f"CMD;{ID};03;03"),
]


@pytest.mark.parametrize(("name", "parameters", "legacy", "modern"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_a_command_is_in_the_words_that_the_tracker_speaks(
    name: str, parameters: dict[str, object], legacy: str, modern: str
) -> None:
    session = Link()
    laws.hear(session, SA200)
    assert session.command(checked(name, parameters), 7, "") == line(legacy)
    laws.hear(session, ALERT)
    if modern:
        assert session.command(checked(name, parameters), 7, "") == line(modern)
    else:
        with pytest.raises(CannotSend, match="no word"):
            session.command(checked(name, parameters), 7, "")


def test_every_command_has_a_row() -> None:
    assert tuple(row[0] for row in COMMANDS) == CODEC.commands


@pytest.mark.parametrize(
    ("first", "command", "why"),
    [
        (SA200, Command("requestPhoto"), "no word for requestPhoto"),
        (SA200, checked("custom", {"data": "Привет"}), "ASCII"),
        (SA200, checked("outputControl", {"data": "on"}), "1 or 0"),
        (ALERT, checked("outputControl", {"index": 4}), "1, 2 and 3"),
    ],
)
def test_what_cannot_be_sent_is_said(first: bytes, command: Command, why: str) -> None:
    session = Link()
    laws.hear(session, first)
    with pytest.raises(CannotSend, match=why):
        session.command(command, 1, "")


def test_the_simulator_is_understood() -> None:
    fix = Fix(datetime(2026, 5, 1, 12, 30, 1, tzinfo=UTC), -3.2, -176.9, 812.5, 61, 271.25, 9, odometer_m=123456)
    tracker, session = Tracker(ID), Link()
    assert tracker.accepted
    assert laws.hear(session, tracker.hello()).login == ID
    sos = Fix(fix.time, 1, 2, alarm="sos")
    tow = Fix(fix.time, 1, 2, alarm="geofenceExit")
    received = laws.hear(session, tracker.report([fix, sos, tow]))
    rows = list(CODEC.decode(received.frames).columns.rows())
    assert laws.rounded(rows[0]) == {
        "time": "2026-05-01T12:30:01.000Z", "valid": True, "latitude": -3.2, "longitude": -176.9, "speed_kmh": 61.0,
        "course_deg": 271.25, "satellites": 9.0, "ignition": True, "power_v": 12.6, "battery_v": 4.1, "odometer_m": 123456.0,
        "engine_hours_s": 0.0,
        "attributes": {"type": "STT", "versionFw": "534", "in1": False, "in2": False, "in3": False, "out1": False, "out2": False,
                       "status": 2, "index": 1},
    }  # fmt: skip
    assert [row.get("alarm") for row in rows] == [None, "sos", "geofenceExit"]
    assert (tracker.receive(b""), tracker.receive(b"")) == (3, 0), "over TCP nothing is acknowledged"
    with pytest.raises(ValueError, match="digits"):
        Tracker("truck")


def test_the_simulator_by_datagram() -> None:
    assert CODEC.datagram is not None
    tracker = UdpTracker(ID)
    frames = laws.hear(CODEC.datagram(), tracker.report([Fix(datetime(2026, 5, 1, tzinfo=UTC), 1, 2)] * 2)).frames
    acks = b"".join(frame.ack for frame in frames)
    assert (tracker.receive(b""), tracker.receive(acks[:5]), tracker.receive(acks[5:])) == (0, 0, 2)


def test_a_crash_that_is_cut_short_is_no_crash() -> None:
    assert len(CODEC.decode([Frame("crash", bytes(5))]).unreadable) == 1


def test_laws() -> None:
    laws.hold(CODEC, [SA200, STATUS, SERIAL, ALERT, MODES, ZIP, OLD_ZIP, RESULT, b"-Error\r", *crash_parts()], examples=25)
