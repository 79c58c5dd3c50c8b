"""Totem: lines built by hand from the layouts, with all their values; answers, commands, laws."""

from __future__ import annotations

import pytest
from fastcrc import crc16

from protocols import CannotSend, Command
from protocols.commands import checked
from protocols.totem import CODEC, Link, checksum, text_message
from tests.protocols import laws

IMEI = "356307042441013"


def at(body: str, kind: str = "AA") -> bytes:
    """An AT line: body and checksum behind the tracker's id."""
    text = f"$$0000{kind}{IMEI}|{body}".encode()
    text = text.replace(b"0000", b"%04d" % (len(text) + 2), 1)
    return text + checksum(text) + b"\r\n"


def old(body: str, *, right: bool = True) -> bytes:
    """A line of an older form."""
    text = f"$$00{IMEI}|{body}|".encode()
    text = text.replace(b"00", b"%02X" % (len(text) + 4), 1)
    return text + b"%04X" % (crc16.modbus(text) ^ (not right)) + b"\r\n"


PLACE = "4312.1460N07654.5074W"  # 43.202433, -76.908457
AT = {"latitude": 43.2024333, "longitude": -76.9084567, "course_deg": 120.0, "satellites": 11.0}
TIME = "260520103336"
FIX = {"time": "2026-05-20T10:33:36.000Z", "valid": True}
OUT = {"out1": True, "out2": False, "out3": True}
TAIL = "00AB0CDE" + "1119120050" + "00.9" + "0000123" + PLACE  # cell; satellites, signal, course, km/h; hdop; km; place

SIMPLE = at(f"50A04000{TIME}" + "4112" + "0311" + TAIL + "0042")
FINE = at(f"00004000{TIME}" + "404" + "0007" + TAIL + "0000" + "0042", "13")
WARM = at(f"A8001000{TIME}" + "4112" + "0001000200030004" + "0215" + "0000" + TAIL + "0042", "40")
KEY = at(f"{TIME},76.908456,43.202434,0011AABB|", "E2")
OBD = at(f"{TIME},76.908456,-43.202434,$Cloud,4000,55,73,12100,900,51,1,40,85,30,22,17,64,|", "E5")
ALIVE = at("0042", "AD")
RMC = old(
    "01$GPRMC,103336.000,A,4312.1460,N,07654.5074,W,10.00,120.5,200526,,,A*67|02.1|01.0|01.8|001100100001|20260520103336|"
    "14301250|00070009|00AB0CDE|0021|12.5000|0042"
)
NO_ADC = old(
    "AA$GPRMC,103336.000,V,4312.1460,N,07654.5074,W,,,200526,,,A*67|02.1|01.0|01.8|000000000000|20260520103336|"
    "03600000|00AB0CDE|0021|0.0000|0042"
)
NO_DATE = old(
    "AA$GPRMC,000000.00,V,0000.0000,N,00000.0000,E,000.0,000.0,000000,,,A*73|00.0|00.0|00.0|000000000000|20000000000000|"
    "14100000|00000000|00000000|0000|0.0000|0007"
)
PARTED = old(f"AA{'200526103336'}|A|4312.1460|N|07654.5074|W|10.000|120|0.80|000010000111|14112|0007|00AB0CDE|0021|12.5000|0042")
COMPACT = (
    f"$$72{IMEI}|" + "42" + "200526103336" + "00FF" + "14112" + "00070009" + "021022" + "00AB0CDE" + "A" + "11120010" + "01.7"
    + "0000123" + PLACE + "0042" + "ABCD\r\n"
).encode()  # fmt: skip

ROWS = [
    pytest.param(
        SIMPLE,
        {**FIX, **AT, "speed_kmh": 50.0, "gsm": 19.0, "odometer_m": 123000.0, "ignition": True, "battery_v": 4.1, "power_v": 12.0,
         "attributes": {"adc1": "0311", "charge": True, **OUT, "status": 0x50A04000, "hdop": 0.9}},
        id="AT with one analog input",
    ),
    pytest.param(
        FINE,
        {**FIX, **AT, "speed_kmh": 50.0, "gsm": 19.0, "odometer_m": 123000.0, "ignition": False, "battery_v": 4.04,
         "alarm": "lowBattery",
         "attributes": {"adc1": "0007", "charge": False, "out1": False, "out2": False, "out3": False, "status": 0x4000,
                        "hdop": 0.9}},
        id="AT with a battery in three digits and a temperature behind the place",
    ),
    pytest.param(
        WARM,
        {**FIX, **AT, "speed_kmh": 50.0, "gsm": 19.0, "odometer_m": 123000.0, "ignition": False, "battery_v": 4.1,
         "power_v": 12.0,
         "alarm": "sos,vibration,overspeed,geofenceExit",
         "attributes": {"adc1": "0001", "adc2": "0002", "adc3": "0003", "adc4": "0004", "temp1": "0215", "temp2": "0000",
                        "charge": False, "out1": False, "out2": False, "out3": False, "status": 0xA8001000, "hdop": 0.9}},
        id="AT with four analog inputs and two temperatures; alarms of kind and status",
    ),
    pytest.param(KEY, {**FIX, "latitude": 43.202434, "longitude": 76.908456, "attributes": {"driverUniqueId": "0011AABB"}},
                 id="a driver's key"),
    pytest.param(
        OBD,
        {**FIX, "latitude": -43.202434, "longitude": 76.908456, "odometer_m": 4000.0, "power_v": 12.1,
         "attributes": {"fuelUsed": 55, "fuelConsumption": 73, "rpm": 900, "obdSpeed": 51, "intakeFlow": 1, "mapIntake": 40,
                        "coolantTemp": 85, "intakeTemp": 30, "engineLoad": 22, "throttle": 17, "fuel": 64}},
        id="OBD",
    ),
    pytest.param(
        RMC,
        {**FIX, "latitude": 43.2024333, "longitude": -76.9084567, "speed_kmh": 18.52, "course_deg": 120.5, "battery_v": 4.3,
         "power_v": 12.5, "odometer_m": 12500.0, "alarm": "sos",
         "attributes": {"pdop": 2.1, "hdop": 1.0, "vdop": 1.8, "status": 0b001100100001, "in1": False, "in2": False, "in3": False,
                        "in4": True, "out1": True, "out2": True, "adc1": "00070009", "temp1": "0021"}},
        id="RMC",
    ),
    pytest.param(
        NO_ADC,
        {**FIX, "valid": False, "latitude": 43.2024333, "longitude": -76.9084567, "speed_kmh": 0.0, "course_deg": 0.0,
         "battery_v": 3.6, "power_v": 0.0, "odometer_m": 0.0,
         "attributes": {"pdop": 2.1, "hdop": 1.0, "vdop": 1.8, "status": 0, "in1": False, "in2": False, "in3": False,
                        "in4": False,
                        "out1": False, "out2": False, "temp1": "0021"}},
        id="RMC without analog inputs, speed, course and fix",
    ),
    pytest.param(
        NO_DATE,
        {"time": None, "valid": False, "battery_v": 4.1, "power_v": 0.0, "odometer_m": 0.0, "no_fix": True,
         "attributes": {"pdop": 0.0, "hdop": 0.0, "vdop": 0.0, "status": 0, "in1": False, "in2": False, "in3": False,
                        "in4": False,
                        "out1": False, "out2": False, "adc1": "00000000", "temp1": "0000"}},
        id="RMC before the first fix",
    ),
    pytest.param(
        PARTED,
        {**FIX, "latitude": 43.2024333, "longitude": -76.9084567, "speed_kmh": 18.52, "course_deg": 120.0, "battery_v": 4.1,
         "power_v": 12.0, "odometer_m": 12500.0,
         "attributes": {"hdop": 0.8, "status": 0b10000111, "antenna": True, "charge": True, "in1": True,
                        "in2": False, "in3": False,
                        "in4": False, "in5": False, "in6": True, "out1": False, "out2": False, "out3": False, "out4": False,
                        "adc1": "0007", "temp1": "0021"}},
        id="parted",
    ),
    pytest.param(
        COMPACT,
        {**FIX, **AT, "speed_kmh": 18.52, "odometer_m": 123000.0, "battery_v": 4.1, "power_v": 12.0, "alarm": "geofenceExit",
         "attributes": {"adc1": "0007", "adc2": "0009", "temp1": "021", "temp2": "022", "io1": "00FF", "pdop": 1.7}},
        id="compact",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), ROWS)
def test_a_line_is_read_whole(data: bytes, expected: dict[str, object]) -> None:
    assert laws.rows(CODEC, data) == [laws.rounded(expected)]


def test_degrees_that_can_only_be_the_other_way_round_are() -> None:
    [row] = laws.rows(CODEC, at(f"{TIME},-33.500000,151.250000,$Cloud,4000,55,73,12100,900,51,1,40,85,30,22,17,64,|", "E5"))
    assert (row["latitude"], row["longitude"]) == (-33.5, 151.25)


def test_the_clouds_numbers_are_read_under_any_kind() -> None:
    assert laws.rows(CODEC, at(OBD[8 + len(IMEI) + 1 : -4].decode(), "AA")) == laws.rows(CODEC, OBD)


def test_a_line_is_acknowledged_after_the_commit() -> None:
    received = laws.hear(Link(), SIMPLE + RMC + COMPACT)
    answer = b"$$0014AA0042"
    assert received.login == IMEI
    assert received.reply == b""
    assert [frame.ack for frame in received.frames] == [answer + checksum(answer), b"ACK OK\r\n", b"ACK OK\r\n"]


def test_a_heartbeat_is_answered_at_once_and_only_to_ours() -> None:
    answer = b"$$0014AA0042"
    received = laws.hear(Link(), ALIVE)
    assert (received.reply, received.frames) == (answer + checksum(answer), [])
    for data in (ALIVE, SIMPLE):
        refused = laws.hear(Link(), data, known=False)
        assert (refused.reply, refused.frames) == (b"", [])


def test_lines_need_no_end_but_the_end_corrects_a_length() -> None:
    assert len(laws.hear(Link(), SIMPLE[:-2] + RMC[:-2] + SIMPLE).frames) == 3
    shortened = b"$$FF" + COMPACT[4:]
    assert len(laws.hear(Link(), shortened + SIMPLE).frames) == 2
    assert laws.rows(CODEC, b"$$52" + COMPACT[4:] + SIMPLE) == laws.rows(CODEC, COMPACT + SIMPLE)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(SIMPLE[:-4] + b"00\r\n", "the checksum is wrong", id="AT"),
        pytest.param(old("AA$GPRMC,", right=False), "the crc is wrong", id="RMC"),
        pytest.param(b"$$0015AA|123456\r\n", "the checksum is wrong", id="no id"),
        pytest.param(b"$$20hello\r\n", "no | behind the tracker's id", id="no fields"),
        pytest.param(b"GET / HTTP/1.1\r\n", "no message begins here", id="another protocol"),
        pytest.param(b"$$0001AA\r\n", "no message begins here", id="a length of nothing"),
    ],
)
def test_what_no_manual_allows_is_refused(data: bytes, reason: str) -> None:
    received = laws.hear(Link(), data)
    assert ([bad.reason for bad in received.rejects], received.frames) == ([reason], [])


def test_a_wrong_checksum_is_still_explained() -> None:
    unchecked = laws.hear(Link(), SIMPLE[:-4] + b"00\r\n").rejects[0].unchecked
    assert unchecked is not None
    assert len(CODEC.decode([unchecked]).columns) == 1


@pytest.mark.parametrize(
    "data",
    [at("5" * 100), at("1,2|", "E2") + at("x" * 60, "E2"), old("AA$GPRMC,1"), old("AA|B|C"), b"$$40" + COMPACT[4:60] + b"\r\n"],
    ids=["AT", "key", "RMC", "parted", "compact"],
)
def test_fields_that_cannot_be_read_are_a_dead_letter(data: bytes) -> None:
    frames = laws.hear(Link(), data).frames
    decoded = CODEC.decode(frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


COMMANDS: list[tuple[str, dict[str, object], str]] = [
    ("custom", {"data": "012"}, "000000,012"),
    ("engineResume", {}, "000000,025,C,0"),
    ("engineStop", {}, "000000,025,C,1"),
    ("factoryReset", {}, "000000,007"),
    ("getVersion", {}, "000000,056"),
    ("positionSingle", {}, "000000,012"),
    ("rebootDevice", {}, "000000,006"),
]


@pytest.mark.parametrize(("name", "parameters", "words"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_a_command_is_a_line_or_an_sms(name: str, parameters: dict[str, object], words: str) -> None:
    text = f"$$00{10 + len(words)}CF{words}".encode()
    assert Link().command(checked(name, parameters), 7, "") == text + checksum(text)
    assert text_message(checked(name, parameters), "123456") == f"*123456,{words[7:]}#"


def test_the_restart_as_the_maker_writes_it() -> None:
    assert Link().command(Command("rebootDevice"), 1, "000000") == b"$$0020CF000000,0061D"


def test_every_command_has_a_row() -> None:
    assert tuple(row[0] for row in COMMANDS) == CODEC.commands


def test_what_cannot_be_sent_is_said() -> None:
    with pytest.raises(CannotSend, match="and custom"):
        Link().command(Command("alarmArm"), 1, "")
    with pytest.raises(CannotSend, match="ASCII"):
        Link().command(checked("custom", {"data": "Привет"}), 1, "")


def test_laws() -> None:
    laws.hold(CODEC, [SIMPLE, FINE, WARM, KEY, OBD, ALIVE, RMC, NO_ADC, PARTED, COMPACT, SIMPLE[:-2]])
