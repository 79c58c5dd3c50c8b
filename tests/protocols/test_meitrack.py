"""Meitrack: lines and lists built by hand from the manuals' tables, what is answered, and the laws."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest

from protocols import Answer, CannotSend, Command
from protocols.commands import checked
from protocols.meitrack import CODEC
from telematics.simulator.fix import Fix
from telematics.simulator.meitrack import ALARMS, Tracker
from tests.protocols import laws
from tests.protocols.laws import rounded

IMEI = "353358017784062"  # the manual's
WHERE = "-43.250000,76.950000,260305070809,A,9,21,61.2,300,0.9,790,1234567,98765"
FIX: dict[str, Any] = {
    "time": "2026-03-05T07:08:09.000Z", "valid": True, "latitude": -43.25, "longitude": 76.95, "altitude_m": 790.0,
    "speed_kmh": 61.2, "course_deg": 300.0, "satellites": 9.0, "odometer_m": 1234567.0, "gsm": 21.0,
}  # fmt: skip
CELL = "401|2|5249|27DB"
NETWORK = {
    "network": {
        "cellTowers": [
            {"mobileCountryCode": 401, "mobileNetworkCode": 2, "locationAreaCode": 0x5249, "cellId": 0x27DB, "signalStrength": 21}
        ]
    }
}


def message(kind: str, content: bytes | str, flag: str = "A") -> bytes:
    body = f",{IMEI},{kind},".encode() + (content if isinstance(content, bytes) else content.encode()) + b"*"
    front = f"$${flag}{len(body) + 4}".encode() + body
    return front + b"%02X\r\n" % (sum(front) & 0xFF)


def rows(data: bytes) -> list[dict[str, Any]]:
    received = laws.hear(CODEC.session(), data)
    decoded = CODEC.decode(received.frames)
    assert (received.rejects, list(decoded.unreadable)) == ([], [])
    return [rounded(row) for row in decoded.columns.rows()]


def row(event: int, attributes: dict[str, Any] | None = None, **columns: Any) -> dict[str, Any]:
    standard = {"event": event, "hdop": 0.9, "runtime": 98765, "input": 2, "output": 1}
    return {**FIX, **columns, "attributes": {**standard, **(attributes or {})}}


ADC = {"adc1": 3, "adc2": 0, "adc3": 16}
LINES = [
    pytest.param(
        f"35,{WHERE},{CELL},0201,0003|0000|0010|019C|04F3,00000002,,3,2D19,010A2F|02FF9C,358,507",
        row(35, {**ADC, "eventData": "00000002", "fuel": 45.25, "temp1": 26.07, "temp2": -1.0}, battery_v=4.12, power_v=12.67),
        id="hundredths of a volt, fuel, two thermometers",
    ),
    pytest.param(
        f"37,{WHERE},{CELL},0201,|||0A2D|0432,00517C2A,,1,,011B06|02FE32",
        row(37, {"driverUniqueId": "00517C2A", "temp1": 27.06, "temp2": -2.5}, battery_v=4.198, power_v=13.845),
        id="a driver; a converter of 12 bits; thermometers of old versions",
    ),
    pytest.param(
        f"35,{WHERE},{CELL},0201,0003|0000|0010|0278|00CB,,",
        row(35, ADC, battery_v=3.703, power_v=9.516),
        id="a converter of 10 bits",
    ),
    pytest.param(
        f"35,{WHERE},{CELL},0201,4.18|13.24|0.57|1.36|2.04,0.5|3|1.5,",
        row(35, {"eventData": "0.5|3|1.5"}, battery_v=4.18, power_v=13.24),
        id="volts",
    ),
    pytest.param(
        f"109,{WHERE},{CELL},0201,0003|0000|0010|0191|0502,,,96,0000,,5,0,,,,,11|260305070000|260305070800|64|2900|000012|000005",
        row(109, {**ADC, "fuel": 0.0, "taximeterOn": False, "taximeterStart": "260305070000", "taximeterEnd": "260305070800",
                  "taximeterDistance": 64, "taximeterFare": 2900, "taximeterTrip": "000012", "taximeterWait": "000005"},
            battery_v=4.01, power_v=12.82),
        id="a taximeter at the end of a trip",
    ),
    pytest.param(
        f"1,35,{WHERE},{CELL},0201,0003|0000|0010|019C|04F3,,", row(35, ADC, battery_v=4.12, power_v=12.67),
        id="a number in front of the event",
    ),
    pytest.param(
        f"35,{WHERE.replace(',A,', ',V,')},{CELL},0201,0003|0000|0010|019C|04F3,,",
        row(35, {**ADC, **NETWORK}, valid=False, battery_v=4.12, power_v=12.67),
        id="no satellites: the last place, and the cell",
    ),
    pytest.param(
        f"35,{WHERE},0|0||,0201,0003|||019C|,,", row(35, {"adc1": 3}, battery_v=4.12), id="what isn't measured",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), LINES)
def test_a_line(content: str, expected: dict[str, Any]) -> None:
    assert rows(message("AAA", content)) == [expected]


@pytest.mark.parametrize("more", [",,3,zzzz,010A2F", ",,3,,xxyyzz,6,0", ",,3,2D19,,,,,,,a|b,,,x|y|z|9,,,,"])
def test_other_fields_behind_the_place_cost_nothing_in_front_of_them(more: str) -> None:
    (fix,) = rows(message("AAA", f"35,{WHERE},{CELL},0201,0003|0000|0010|019C|04F3,{more}"))
    assert (fix["latitude"], fix["battery_v"], fix["power_v"], fix["satellites"]) == (-43.25, 4.12, 12.67, 9.0)


def test_the_manuals_own_example() -> None:
    (fix,) = rows(
        b"$$G127,353358017784062,AAA,1,22.538169,114.075958,100313095653,A,3,21,4,46,5,581,0,148,0|0|10133|4172,0000,"
        b"166|204|205|2709|878,*77\r\n"
    )
    assert (fix["time"], fix["latitude"], fix["longitude"], fix["alarm"]) == (
        "2010-03-13T09:56:53.000Z",
        22.538169,
        114.075958,
        "sos",
    )
    assert (fix["speed_kmh"], fix["course_deg"], fix["altitude_m"], fix["attributes"]["runtime"]) == (4.0, 46.0, 581.0, 148)


@pytest.mark.parametrize(
    ("event", "alarm"),
    [(1, "sos"), (17, "lowBattery"), (18, "lowPower"), (19, "overspeed"), (20, "geofenceEnter"), (21, "geofenceExit"),
     (22, "powerRestored"), (23, "powerCut"), (28, "gpsAntennaCut"), (36, "tow"), (44, "jamming"), (50, "temperature"),
     (78, "accident"), (79, "fallDown"), (90, "hardCornering"), (91, "hardCornering"), (129, "hardBraking"),
     (130, "hardAcceleration"), (133, "idle"), (135, "fatigueDriving"), (35, None)],
)  # fmt: skip
def test_alarms(event: int, alarm: str | None) -> None:
    (fix,) = rows(message("AAA", f"{event},{WHERE},{CELL},0201,0003|0000|0010|019C|04F3,,"))
    assert fix.get("alarm") == alarm


# --- Lists -------------------------------------------------------------------------------------------------------------------

SECONDS = 826_009_689  # since 2000: 2026-03-05 07:08:09


def record(event: int = 35, valid: int = 1) -> bytes:
    front = struct.pack("<BiiIBBB", event, -43_250_000, 76_950_000, SECONDS, valid, 9, 21)
    middle = struct.pack("<HHHhII", 61, 300, 9, 790, 1234567, 98765)
    return front + middle + struct.pack("<4HHHHHI", 401, 2, 0x5249, 0x27DB, 0x0201, 3, 419, 1260, 0)


def test_a_list_of_records_is_acknowledged_by_their_number_once_they_are_stored() -> None:
    data = message("CCC", struct.pack("<HHI", 1, 52, 2) + record() + record(event=19, valid=0), flag="X")
    received = laws.hear(CODEC.session(), data)
    assert (received.login, received.reply) == (IMEI, b"")
    assert [frame.ack for frame in received.frames] == [b"@@X27,353358017784062,CCC,2*F8\r\n"]
    standard = {"event": 35, "hdop": 0.9, "runtime": 98765, "status": 0x0201, "adc1": 3}
    fix = {**FIX, "speed_kmh": 61.0, "battery_v": 4.19, "power_v": 12.6, "attributes": standard}
    late = {**fix, "valid": False, "alarm": "overspeed", "attributes": {**standard, "event": 19, **NETWORK}}
    assert rows(data) == [fix, late]


def listed(*lists: tuple[tuple[int | bytes, bytes], ...]) -> bytes:
    """One record of CCE: ids with values of one, two and four bytes, and of any length."""
    body = b"\x01\x00"
    for place, values in enumerate(lists):
        body += bytes((len(values),))
        for name, value in values:
            body += (name if isinstance(name, bytes) else bytes((name,))) + (bytes((len(value),)) if place == 3 else b"") + value
    return struct.pack("<H", len(body)) + body


def i4(value: int) -> bytes:
    return struct.pack("<i", value)


def i2(value: int) -> bytes:
    return struct.pack("<h", value)


SMALL = ((0x05, b"\x01"), (0x06, b"\x09"), (0x07, b"\x15"), (0x14, b"\x01"), (0x15, b"\x02"), (0x47, b"\x02"), (0x97, b"\x62"),
         (0x9D, b"\x20"), (b"\xfe\x69", b"\x60"), (0xA1, b"\x64"))  # fmt: skip
MIDDLE = ((0x08, i2(61)), (0x09, i2(300)), (0x0A, i2(9)), (0x0B, i2(-12)), (0x16, i2(6)), (0x17, i2(4)), (0x19, i2(419)),
          (0x1A, i2(1260)), (0x40, i2(129)), (0x92, i2(40)), (0x99, i2(1263)), (0x9C, i2(82)), (b"\xfe\x90", i2(0)))  # fmt: skip
LARGE = ((0x02, i4(-43_250_000)), (0x03, i4(76_950_000)), (0x04, i4(SECONDS)), (0x0C, i4(1234567)), (0x0D, i4(98765)),
         (0x25, i4(20417733)), (0x9B, i4(41870325)), (0xA0, i4(28514906)), (0xA2, i4(7420)),
         (b"\xfe\xf4", i4(512044)))  # fmt: skip
LONG = (
    (0x0E, struct.pack("<HHHIh", 401, 2, 0x5249, 0x27DB, -77)),
    (0x1D, bytes.fromhex("4a6f10b2d391") + i2(-61)),
    (0x2B, b"\0" + i2(2187)),
    (0x2C, b"\0" + i2(-150)),
    (0x4B, b"\x01\x01\x03LTE"),
    (b"\xfe\x31", b"\x02\x0720260305070809_CH2_cam.jpg"),
    (b"\xfe\x73", b"\x01\x04tent" + bytes(6) + b"\x64" + struct.pack("<hh", 5781, 13107) + bytes(8)),
    (b"\xfe\xa8", b"\x01\x4d\x01\x58\x00\x00\x00"),
)
WITHOUT_PLACE = listed(((0x01, b"\x25"), (0x05, b"\0")), (), LARGE[:3], LONG[:2])
CCE = message("CCE", struct.pack("<IH", 3, 2) + listed(SMALL, MIDDLE, LARGE, LONG) + WITHOUT_PLACE)


def test_lists_of_parameters() -> None:
    first, second = rows(CCE)
    assert first == {
        **FIX, "speed_kmh": 61.0, "altitude_m": -12.0, "battery_v": 4.19, "power_v": 12.6, "battery_percent": 77.0,
        "alarm": "hardBraking", "engine_hours_s": 512044 * 60.0,
        "attributes": {
            "output": 1, "input": 2, "lock": True, "throttle": 98, "fuel": 32, "hdop": 0.9, "adc1": 0.06, "adc2": 0.04,
            "event": 129, "obdSpeed": 40, "rpm": 1263, "coolantTemp": 82, "runtime": 98765, "driverUniqueId": "20417733",
            "obdOdometer": 41870325, "fuelUsed": 28514.906, "fuelConsumption": 74.2, "temp1": 21.87, "temp2": -1.5,
            "alarmType": 7, "image": "2026-03-05/20260305070809_CH2_cam.jpg", "tagName": "tent", "tagBattery": 100,
            "tagTemp": 22.58203125, "tagHumidity": 51.19921875, "battery2Level": 88,
        },
    }  # fmt: skip
    tower = {
        "mobileCountryCode": 401,
        "mobileNetworkCode": 2,
        "locationAreaCode": 0x5249,
        "cellId": 0x27DB,
        "signalStrength": -77,
    }
    wifi = {"macAddress": "4a:6f:10:b2:d3:91", "signalStrength": -61}
    assert second == {
        "time": FIX["time"], "valid": False, "latitude": -43.25, "longitude": 76.95,
        "attributes": {"event": 37, "network": {"cellTowers": [tower], "wifiAccessPoints": [wifi]}},
    }  # fmt: skip
    assert [frame.ack for frame in laws.hear(CODEC.session(), CCE).frames] == [b""]


def test_long_and_short_ids_stand_side_by_side() -> None:
    small = (
        (b"\xfe\x69", b"\x60"),
        (b"\xfe\xfe", b"\xfe"),
        (0x06, b"\xfe"),
        (b"\xfe\x05", b"\0"),
        (0x05, b"\x01"),
        (0xAA, b"\xfe"),
    )
    middle = ((0x08, b"\xfe\0"), (b"\xfe\x08", i2(1)), (0x09, i2(300)))
    (fix,) = rows(message("CCE", struct.pack("<IH", 0, 1) + listed(small, middle, LARGE[:3])))
    assert fix == {
        "time": FIX["time"], "valid": True, "latitude": -43.25, "longitude": 76.95, "satellites": 254.0, "battery_percent": 96.0,
        "speed_kmh": 254.0, "course_deg": 300.0, "attributes": {},
    }  # fmt: skip


def test_records_before_one_that_is_cut_are_kept() -> None:
    content = struct.pack("<IH", 0, 2) + WITHOUT_PLACE + struct.pack("<H", 20) + b"\1\0" + bytes((9, 5, 1, 6, 9))
    decoded = CODEC.decode(laws.hear(CODEC.session(), message("CCE", content)).frames)
    assert len(decoded.columns) == 1
    assert [unreadable.reason for unreadable in decoded.unreadable] == ["record 2 of 2 ends inside a parameter"]


def test_a_place_under_another_command_is_read_too() -> None:
    for number in ("", "1,"):
        (fix,) = rows(message("A10", f"{number}34,{WHERE},{CELL},0201,0003|0000|0010|019C|04F3,,"))
        assert (fix["latitude"], fix["attributes"]["event"]) == (-43.25, 34)


def test_a_list_cut_short_is_unreadable() -> None:
    cut = struct.pack("<IH", 0, 1) + listed(SMALL, MIDDLE)
    for content, reason in [(cut[:20], "ends inside"), (b"\0\0\0\0\1\0", "without a whole record")]:
        decoded = CODEC.decode(laws.hear(CODEC.session(), message("CCE", content)).frames)
        assert reason in decoded.unreadable[0].reason
    decoded = CODEC.decode(laws.hear(CODEC.session(), message("CCC", struct.pack("<HHI", 0x501, 60, 1) + bytes(60))).frames)
    assert "only those of 52" in decoded.unreadable[0].reason


# --- The session -------------------------------------------------------------------------------------------------------------


def test_a_wrong_checksum_is_refused_and_still_explained() -> None:
    data = message("AAA", f"35,{WHERE},{CELL},0201,0003|0000|0010|019C|04F3,,")
    received = laws.hear(CODEC.session(), data[:-4] + b"zz\r\n")
    assert (received.frames, [reject.reason for reject in received.rejects]) == ([], ["the checksum is wrong"])
    assert received.rejects[0].unchecked is not None
    assert len(CODEC.decode([received.rejects[0].unchecked]).columns) == 1


def test_a_line_ends_where_it_ends_whatever_its_length_says() -> None:
    line = message("AAA", f"35,{WHERE},{CELL},0201,0003|0000|0010|019C|04F3,,")
    wrong = line.replace(b"$$A1", b"$$A2", 1)
    wrong = wrong[:-4] + b"%02X\r\n" % (sum(wrong[:-4]) & 0xFF)
    received = laws.hear(CODEC.session(), wrong + line)
    assert (len(received.frames), received.rejects) == (2, [])


def test_a_stranger_gets_no_answer() -> None:
    received = laws.hear(
        CODEC.session(), message("AAC", "x") + message("CCC", struct.pack("<HHI", 1, 52, 1) + record()), known=False
    )
    assert (received.reply, received.frames) == (b"", [])


def test_a_request_for_a_word_is_answered() -> None:
    assert laws.hear(CODEC.session(), message("AAC", "x", flag="z")).reply == b"@@z27,353358017784062,AAC,1*15\r\n"


def test_a_photo_is_asked_for_in_parts_and_told_of() -> None:
    session = CODEC.session()
    ready = laws.hear(session, message("D03", "OK", flag="D"))
    assert ready.reply == b"@@O46,353358017784062,D00,camera_picture.jpg,0*28\r\n"
    assert ready.answers == [Answer("D03,OK", ok=True)]
    replies = []
    for part in range(10):
        received = session.receive(message("D00", b"camera_picture.jpg,10,%d," % part + b"\xff*,\r\n" * 20))
        replies.append(received.reply)
    assert [place for place, reply in enumerate(replies) if reply] == [7]
    assert b",D00,camera_picture.jpg,8*" in replies[7]
    (told,) = CODEC.decode(received.frames).columns.rows()
    assert told["attributes"] == {"image": "camera_picture.jpg", "photoBytes": 1000}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no message begins here"),
        (b"$$A9,12\r\n" + b"x" * 60, "no message begins here"),
        (b"$$A99999,353358017784062,CCE,1234567890", "no message begins here"),
        (message("D00", b"camera"), "no part of a photo"),
    ],
)
def test_what_can_not_be_read_is_refused(data: bytes, reason: str) -> None:
    received = laws.hear(CODEC.session(), data)
    assert reason in [reject.reason for reject in received.rejects]
    assert received.frames == []


# --- Commands ----------------------------------------------------------------------------------------------------------------


def told(command: Command, serial: int) -> bytes:
    session = CODEC.session()
    laws.hear(session, message("AAC", "x"))
    wire: bytes = session.command(command, serial, "")  # type: ignore[attr-defined]
    return wire


@pytest.mark.parametrize(
    ("command", "serial", "wire"),
    [
        pytest.param(Command("positionSingle"), 16, b"@@Q25,353358017784062,A10*6A\r\n", id="the manual's A10"),
        pytest.param(
            checked("setTimezone", {"timezone": "+08:00"}), 15, b"@@P29,353358017784062,B36,480*3E\r\n", id="the manual's B36"
        ),
        pytest.param(checked("custom", {"data": "A73,2"}), 22, b"@@W27,353358017784062,A73,2*D9\r\n", id="the manual's A73"),
    ],
)
def test_a_command_as_the_manual_writes_it(command: Command, serial: int, wire: bytes) -> None:
    assert told(command, serial) == wire


@pytest.mark.parametrize(
    ("command", "content"),
    [
        (Command("engineStop"), b"C01,0,12222"),
        (Command("engineResume"), b"C01,0,02222"),
        (Command("alarmArm"), b"C01,0,22122"),
        (Command("alarmDisarm"), b"C01,0,22022"),
        (Command("positionStop"), b"A12,0"),
        (Command("getVersion"), b"E91"),
        (Command("rebootDevice"), b"F01"),
        (Command("factoryReset"), b"F11"),
        (checked("positionPeriodic", {"frequency": 60}), b"A12,6"),
        (checked("positionPeriodic", {"frequency": 1}), b"A12,1"),
        (checked("alarmSpeed", {"data": 90}), b"B07,90"),
        (checked("outputControl", {"index": 2, "data": "1"}), b"C01,0,21222"),
        (checked("requestPhoto", {"index": 2}), b"D03,2,camera_picture.jpg"),
        (checked("sendSms", {"phone": "+77010000000", "message": "hello"}), b"C02,0,+77010000000,hello"),
    ],
)
def test_a_command(command: Command, content: bytes) -> None:
    wire = told(command, 1)
    assert wire.split(b",", 2)[2].split(b"*")[0] == content
    assert len(wire) - wire.index(b",") == int(wire[3 : wire.index(b",")])
    assert int(wire[-4:-2], 16) == sum(wire[:-4]) & 0xFF
    assert command.type in CODEC.commands


def test_what_it_can_not_be_told() -> None:
    with pytest.raises(CannotSend, match="outputs are 1 to 5"):
        told(checked("outputControl", {"index": 6, "data": "1"}), 1)
    with pytest.raises(CannotSend, match="positionSingle"):
        told(Command("powerOff"), 1)


def test_a_text_message_takes_the_same_words() -> None:
    assert CODEC.sms is not None
    assert CODEC.sms(Command("positionSingle"), "") == "0000,A00"
    assert CODEC.sms(Command("engineStop"), "1234") == "1234,C01,0,12222"


def test_the_flag_brings_the_serial_back() -> None:
    session = CODEC.session()
    laws.hear(session, message("AAC", "x"))
    session.command(checked("setTimezone", {"timezone": "UTC"}), 15 + 58 * 3, "")  # type: ignore[attr-defined]
    answer = session.receive(b"$$P28,353358017784062,B36,OK*03\r\n")  # the manual's
    assert answer.answers == [Answer("B36,OK", serial=189, ok=True)]
    assert [one["attributes"] for one in CODEC.decode(answer.frames).columns.rows()] == [{"result": "B36,OK"}]
    session.command(Command("positionSingle"), 7, "")  # type: ignore[attr-defined]
    place = session.receive(message("AAA", f"34,{WHERE},{CELL},0201,0003|0000|0010|019C|04F3,,", flag="H"))
    assert place.answers == [Answer("position", serial=7, ok=True)]
    assert session.receive(message("C01", "ERROR", flag="x")).answers == [Answer("C01,ERROR", ok=False)]


# --- The simulator and the laws ----------------------------------------------------------------------------------------------

DRIVING: dict[str, Any] = {
    "time": datetime(2026, 3, 5, 7, 8, 9, tzinfo=UTC), "latitude": -43.25, "longitude": 76.95, "altitude_m": 790.3,
    "speed_kmh": 61.2, "course_deg": 300.0, "satellites": 9, "gsm": 21, "odometer_m": 1_234_567, "power_v": 12.603,
}  # fmt: skip


def test_what_the_simulator_builds_is_read_back() -> None:
    (fix,) = rows(Tracker(IMEI).report([Fix(**DRIVING)]))
    common = {"event": 35, "hdop": 0.9, "runtime": 0, "adc1": 0}
    assert fix == {
        **FIX, "battery_v": 4.12, "power_v": 12.6, "attributes": {**common, "input": 2, "output": 0, "adc2": 0, "adc3": 0},
    }  # fmt: skip
    in_a_list = {**fix, "speed_kmh": 61.0, "attributes": {**common, "status": 512}}
    assert rows(Tracker(IMEI).report([Fix(**DRIVING)] * 2)) == [in_a_list, in_a_list]


@pytest.mark.parametrize("alarm", ALARMS)
def test_each_alarm_of_the_simulator_is_heard(alarm: str) -> None:
    fixes = rows(Tracker(IMEI).report([Fix(**DRIVING, alarm=alarm)]) + Tracker(IMEI).report([Fix(**DRIVING, alarm=alarm)] * 2))
    assert [fix["alarm"] for fix in fixes] == [alarm] * 3


def test_the_simulator_counts_what_is_stored() -> None:
    tracker = Tracker(IMEI)
    received = laws.hear(CODEC.session(), tracker.report([Fix(**DRIVING)] * 3))
    assert tracker.receive(received.frames[0].ack[:9]) == 0
    assert tracker.receive(received.frames[0].ack[9:]) == 3
    tracker.report([Fix(**DRIVING)])
    assert tracker.receive(b"") == 1, "nobody acknowledges a line: it counts as sent"
    with pytest.raises(ValueError, match="IMEI"):
        Tracker("lorry")


def test_laws() -> None:
    lines = [message("AAA", str(param.values[0])) for param in LINES]
    records = message("CCC", struct.pack("<HHI", 1, 52, 2) + record() + record(event=19, valid=0))
    photo = message("D00", b"camera_picture.jpg,1,0,\xff\xd8*,\r\n")
    laws.hold(CODEC, [*lines, records, CCE, photo, message("C01", "OK"), message("AAC", "x"), message("D03", "OK")])
