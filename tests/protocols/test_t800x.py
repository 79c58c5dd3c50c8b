"""TopFlyTech: packets with all their values, answers, commands, and laws."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from fastcrc import crc8

from protocols import CannotSend
from protocols.commands import checked
from protocols.t800x import CODEC, Link
from tests.protocols import laws

ID = "863502071140256"
IMEI = bytes.fromhex("0" + ID)
TIME = "260304050607"
NO_TIME = "000000000000"


def packet(mark: int, kind: int, content: str = "", serial: int = 7) -> bytes:
    body = bytes.fromhex(content)
    return struct.pack(">HBHH", mark, kind, 15 + len(body), serial) + IMEI + body


def floats(altitude_m: float = 812.5, longitude: float = 76.9375, latitude: float = -43.25) -> str:
    return struct.pack("<fff", altitude_m, longitude, latitude).hex()


def session() -> Link:
    return Link()


def spoken() -> Link:
    link = Link()
    laws.hear(link, packet(0x2525, 1))
    return link


PLACE = floats() + "0615" + "00d5"
PLACED: dict[str, Any] = {
    "time": "2026-03-04T05:06:07.000Z", "valid": True, "latitude": -43.25, "longitude": 76.9375, "altitude_m": 812.5,
    "speed_kmh": 61.5, "course_deg": 213.0,
}  # fmt: skip
ALONE = {"time": "2026-03-04T05:06:07.000Z", "valid": False, "no_fix": True}
SETTINGS = "003c" + "0384" + "23" + "07d0"
TOWERS = "9101" + "0100" + "5600" + "3412" + "00000000" * 2
NETWORK = {"cellTowers": [{"mobileCountryCode": 401, "mobileNetworkCode": 1, "locationAreaCode": 0x56, "cellId": 0x1234}]}
ACCESS_POINTS = "112233445566" + "aabbccddeeffc5" + "ffffffffffff00" * 2
POINTS = {"wifiAccessPoints": [{"macAddress": "aa:bb:cc:dd:ee:ff", "signalStrength": -59}]}


def position(
    *, status: str = "4b", alarm: str = "00", place: str = PLACE, io: str = "4180", volts: str = "00890717", end: str = "1234"
) -> str:
    return SETTINGS + "801f" + status + "000501000000" + io + volts + alarm + "00" + "0001e240" + "55" + TIME + place + end


IO = {"ac": False, "in3": False, "in4": False, "out1": True, "out2": True, "out3": False}
POSITION_ROW = PLACED | {"gsm": 31.0, "satellites": 11.0, "ignition": True, "odometer_m": 123_456.0, "battery_percent": 55.0,
                         "power_v": 12.34}  # fmt: skip
ASSET = "{status}{alarm}" + TIME + "{place}" + "8120058090" + "90" + "92" + "17" + "41" + "05" + "0001e240" + "0214" + "00" * 10
ASSET_ROW = PLACED | {"satellites": 11.0, "battery_percent": 90.0, "battery_v": 4.1, "odometer_m": 123_456.0, "ignition": True,
                      "gsm": 33.0}  # fmt: skip
ASSET_WORDS = {
    "gSensor": "[1.2,-0.5,0.9]",
    "deviceTemp": -18,
    "lightSensor": 1.7,
    "solarPanel": 0.5,
    "input": 0x0214,
    "index": 7,
}


def data(groups: str, form: str = "40", kind: int = 0x62) -> bytes:
    rest = bytes.fromhex(form + TIME + groups)
    return packet(0x2727, kind, bytes((crc8.nrsc_5(rest),)).hex() + rest.hex())


PACKETS = [
    pytest.param(
        packet(0x2323, 0x02, position()),
        [POSITION_ROW | {"attributes": IO | {"adc1": 1.37, "adc2": 18.15, "alarmCode": 0, "index": 7}}],
        id="2323",
    ),
    pytest.param(
        packet(0x2525, 0x04, position(status="cb", alarm="03", volts="ffff0000", end="")),
        [
            {name: value for name, value in POSITION_ROW.items() if name != "power_v"}
            | {"alarm": "sos", "attributes": IO | {"adc2": 0.0, "alarmCode": 3, "archive": True, "index": 7}}
        ],
        id="2525, an alarm from memory",
    ),
    pytest.param(
        packet(0x2525, 0x13, position(io="3000", volts="0500" + "0089" + "ffff" * 4, end="0391" + "1297")),
        [
            POSITION_ROW
            | {
                "ignition": False,
                "battery_v": 3.91,
                "power_v": 12.97,
                "attributes": {"ac": True, "in3": True, "in4": False, "output": 5, "adc1": 1.37, "alarmCode": 0, "index": 7},
            }
        ],
        id="2525, the longer position",
    ),
    pytest.param(
        packet(0x2323, 0x02, position(status="0b", place=TOWERS)),
        [
            {name: value for name, value in POSITION_ROW.items() if name not in PLACED}
            | ALONE
            | {"attributes": IO | {"adc1": 1.37, "adc2": 18.15, "alarmCode": 0, "network": NETWORK, "index": 7}}
        ],
        id="cells instead of a place",
    ),
    pytest.param(
        packet(
            0x2626,
            0x02,
            position(
                volts="",
                place=floats() + "0009" + "00d5",
                end="1307" + "0615" + "00000009" + "00000000" + "0384" + "ff01805a110d24",
            ),
        ),
        [
            POSITION_ROW
            | {
                "power_v": 13.07,
                "attributes": IO
                | {
                    "alarmCode": 0,
                    "obdSpeed": 61.5,
                    "fuelUsed": 0.009,
                    "fuelConsumption": 0.0,
                    "rpm": 900,
                    "airPressure": 1,
                    "coolantTemp": 88,
                    "airTemp": 50,
                    "engineLoad": 17,
                    "throttle": 13,
                    "fuel": 36,
                    "index": 7,
                },
            }
        ],
        id="2626: OBD, whose speed it is",
    ),
    pytest.param(
        packet(0x2626, 0x05, "05" + TIME + floats() + "0615" + "0852" + "0360" + NO_TIME + "ff" * 12 + "0270" + "ffff" * 2),
        [
            PLACED | {"attributes": {"rpm": 864}},
            ALONE | {"time": None, "speed_kmh": 27.0, "alarm": "hardAcceleration", "attributes": {}},
        ],
        id="2626: before and after harsh driving",
    ),
    pytest.param(
        packet(0x2626, 0x06, "02" + TIME + "80" + "0000000000" + floats() + "0615" + "0852" + "0360"),
        [PLACED | {"valid": False, "alarm": "hardCornering", "attributes": {"rpm": 864}}],
        id="2626: harsh driving, felt",
    ),
    pytest.param(
        packet(0x2727, 0x02, ASSET.format(status="4b", alarm="06", place=PLACE)),
        [ASSET_ROW | {"alarm": "lowBattery", "attributes": ASSET_WORDS | {"alarmCode": 6}}],
        id="2727",
    ),
    pytest.param(
        packet(
            0x2727,
            0x04,
            ASSET.format(status="8b", alarm="01", place="8191" + "0001" + "00001234" + "0056" + "00" * 6) + "0000000000" + "12",
        ),
        [
            {name: value for name, value in ASSET_ROW.items() if name not in PLACED}
            | ALONE
            | {
                "alarm": "removing",
                "attributes": ASSET_WORDS | {"alarmCode": 1, "archive": True, "lockType": 0x12, "lock": True, "network": NETWORK},
            }
        ],
        id="2727: cells of LTE, a lock",
    ),
    pytest.param(
        packet(0x2525, 0x11, TIME + "044b005a00" + "044c544531"[:10] + "034231" + "30" + "02" + "3432" + "04" + "38393938"),
        [ALONE | {"attributes": {"operator": "KZ", "networkTechnology": "LTE1", "networkBand": "B10", "iccid": "8998"}}],
        id="a network",
    ),
    pytest.param(
        packet(0x2525, 0x81, "01" + "OK#".encode("utf-16-le").hex()),
        [ALONE | {"time": None, "attributes": {"result": "OK#"}}],
        id="an answer",
    ),
    pytest.param(
        packet(0x2727, 0x10, TIME + "01" + "0001" + "02005e100017" + "64" + "50" + "4b" + "02"),
        [
            ALONE
            | {
                "ignition": True,
                "attributes": {
                    "tag1Id": "02005e100017",
                    "tag1Battery": 2.22,
                    "tag1TirePressure": 244.32,
                    "tag1TireTemp": 20,
                    "tag1TireStatus": 2,
                },
            }
        ],
        id="a tire",
    ),
    pytest.param(
        packet(
            0x2525,
            0x10,
            TIME
            + "00"
            + "0002"
            + "02005e100017"
            + "39"
            + "00"
            + "00" * 17
            + "0003"
            + "e7d17365e625"
            + "29"
            + "01"
            + "00" * 17
            + "0006"
            + "f7d17365e625"
            + "ff"
            + "01"
            + "46",
        ),
        [
            ALONE
            | {
                "ignition": False,
                "alarm": "sos,lowBattery",
                "attributes": {
                    "tag1Id": "02005e100017",
                    "tag1Battery": 3.9,
                    "driverUniqueId": "e7d17365e625",
                    "tag2Battery": 2.9,
                    "tag3Id": "f7d17365e625",
                    "tag3Battery": 4.55,
                    "tag3Output": True,
                    "tag3Rssi": -58,
                },
            }
        ],
        id="a button, a driver, a relay",
    ),
    pytest.param(
        packet(0x2727, 0x12, TIME + "01" + "c0" + PLACE + "0005" + "02005e100017" + "ff" + "64" + "8a73" + "01" + "48"),
        [
            PLACED
            | {
                "ignition": True,
                "attributes": {
                    "archive": True,
                    "tag1Id": "02005e100017",
                    "tag1Battery": 4.55,
                    "tag1Temp": -26.75,
                    "tag1Door": True,
                    "tag1Rssi": -56,
                },
            }
        ],
        id="a door with a place",
    ),
    pytest.param(
        packet(0x2727, 0x17, TIME + "4b" + PLACE + "05" + "03" + "a1b2c3"),
        [PLACED | {"satellites": 11.0, "attributes": {"index": 7, "lockType": 5, "lock": True, "lockId": "a1b2c3"}}],
        id="a lock",
    ),
    pytest.param(
        packet(
            0x2727,
            0x27,
            TIME
            + "4b"
            + PLACE
            + "48"
            + "00000000"
            + "02"
            + "03"
            + "0020"
            + "1068"
            + "1388"
            + "ec"
            + "02005e100017"
            + "a1b2c3d4"
            + "020155"
            + "0902aabb",
        ),
        [
            PLACED
            | {
                "satellites": 11.0,
                "attributes": {
                    "index": 7,
                    "lockRssi": -56,
                    "lockAlarm": 2,
                    "lockType": 3,
                    "lockStatus": 32,
                    "lock": False,
                    "lockBattery": 4.2,
                    "lockSolarPanel": 5.0,
                    "lockTemp": -20,
                    "lockId": "02005e100017",
                    "lockDeviceId": "a1b2c3d4",
                    "lockBatteryLevel": 0x55,
                    "lockData9": "aabb",
                },
            }
        ],
        id="a lock beside the tracker",
    ),
    pytest.param(
        packet(
            0x2727,
            0x25,
            "20"
            + "10"
            + TIME
            + ACCESS_POINTS
            + "0000000000"
            + "00"
            + "ff"
            + "ffffff"
            + "00000064"
            + "0000"
            + "00" * 13
            + "0000"
            + "01",
        ),
        [
            ALONE
            | {
                "alarm": "tampering,movement",
                "battery_percent": 100.0,
                "odometer_m": 100.0,
                "ignition": False,
                "gsm": 0.0,
                "attributes": {"index": 7, "alarmCode": 16, "wifiMac": "112233445566", "network": POINTS, "lockType": 1},
            }
        ],
        id="access points, an alarm",
    ),
    pytest.param(
        packet(0x2727, 0x26, TIME + "01" + "003c" + "09c4" + "ffff" + "fe0c"),
        [
            ALONE
            | {
                "attributes": {
                    "index": 7,
                    "sensorType": 1,
                    "samplingInterval": 60,
                    "temperatureSamples": "[25.0, null, -5.0]",
                    "temp1": 25.0,
                }
            }
        ],
        id="temperatures",
    ),
    pytest.param(
        packet(0x2727, 0x20, TIME + "01" + "02" + "0003" + "a1b2c3"),
        [ALONE | {"attributes": {"index": 7, "deviceGeofenceEnabled": True, "deviceGeofence2": "a1b2c3"}}],
        id="geofences",
    ),
    pytest.param(
        data(
            "0101"
            + "05"
            + "aa"
            + "0207"
            + "0106"
            + "0204"
            + "0755"
            + "601068"
            + "618800"
            + "641994"
            + "a100003039"
            + "030002"
            + "000111"
            + floats()
            + "00d5"
            + "0009"
            + "0b"
            + "000506"
            + "000100020003",
            kind=0x64,
        ),
        [
            {name: value for name, value in PLACED.items() if name != "speed_kmh"}
            | {
                "alarm": "lowBattery",
                "battery_percent": 85.0,
                "battery_v": 4.2,
                "power_v": 12.345,
                "ignition": True,
                "satellites": 11.0,
                "attributes": {
                    "index": 7,
                    "alarmCode": 6,
                    "gpsStatus": 4,
                    "usbConnected": False,
                    "solarCharging": True,
                    "charge": True,
                    "temp1": -25.2,
                    "hdop": 9,
                    "accelerationX": 1,
                    "accelerationY": 2,
                    "accelerationZ": 3,
                },
            }
        ],
        id="data with numbers",
    ),
    pytest.param(
        data(
            "0202" + "0202" + "07ff" + "030002" + "000210" + "01910001" + "0056" + "1234" + "ffff" * 4 + "00041b" + ACCESS_POINTS,
            form="80",
        ),
        [
            ALONE
            | {
                "attributes": {
                    "index": 7,
                    "archive": True,
                    "gpsStatus": 2,
                    "wifiMac": "112233445566",
                    "network": NETWORK | POINTS,
                }
            }
        ],
        id="data without a place",
    ),
]


@pytest.mark.parametrize(("wire", "rows"), PACKETS)
def test_a_packet_is_read_whole(wire: bytes, rows: list[dict[str, Any]]) -> None:
    assert laws.rows(CODEC, wire) == rows


@pytest.mark.parametrize(
    ("wire", "reply"),
    [
        pytest.param(packet(0x2525, 0x01, "00"), packet(0x2525, 0x01), id="a login"),
        pytest.param(packet(0x2323, 0x03, serial=9), packet(0x2323, 0x03, serial=1), id="a heartbeat: 2323 hears 1 always"),
        pytest.param(packet(0x2525, 0x81, "0141"), packet(0x2525, 0x81), id="an answer"),
    ],
)
def test_what_is_answered_at_once(wire: bytes, reply: bytes) -> None:
    received = laws.hear(session(), wire)
    assert (received.login, received.reply) == (ID, reply)
    assert laws.hear(session(), wire, known=False).reply == b""


@pytest.mark.parametrize(
    ("wire", "ack"),
    [
        pytest.param(packet(0x2525, 0x02, position()), packet(0x2525, 0x02), id="a position"),
        pytest.param(packet(0x2525, 0x04, position(alarm="03")), packet(0x2525, 0x04, "03"), id="an alarm"),
        pytest.param(packet(0x2626, 0x04, position(alarm="0a", volts="")), packet(0x2626, 0x04, "0a"), id="an alarm of 2626"),
        pytest.param(packet(0x2525, 0x14, position(alarm="04", volts="0000" + "0000" * 5)), packet(0x2525, 0x14, "04"), id="14"),
        pytest.param(
            packet(0x2727, 0x04, ASSET.format(status="4b", alarm="02", place=PLACE)), packet(0x2727, 0x04, "02"), id="2727"
        ),
        pytest.param(
            packet(0x2727, 0x25, "20" + "00" + TIME + "00" * 60), packet(0x2727, 0x25, "00"), id="an asset's, though none"
        ),
        pytest.param(data("02010106", kind=0x64), packet(0x2727, 0x64, "06"), id="in numbers"),
        pytest.param(data("020107ff", form="00"), b"", id="data that wants no answer"),
    ],
)
def test_a_report_is_acknowledged_once_it_is_stored(wire: bytes, ack: bytes) -> None:
    received = laws.hear(session(), wire)
    assert (received.reply, [frame.ack for frame in received.frames]) == (b"", [ack])


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        pytest.param(packet(0x2525, 0x77), "no packet 77 of 2525 is read", id="an unknown kind"),
        pytest.param(packet(0x2525, 0x62, "00"), "no packet 62 of 2525 is read", id="a kind of another mark"),
        pytest.param(b"hello" + packet(0x2323, 0x03), "no message begins here", id="rubbish in front"),
        pytest.param(bytes.fromhex("2525010001"), "no message begins here", id="a length that can't be"),
        pytest.param(packet(0x2727, 0x62, "0040" + TIME), "the checksum is wrong", id="a wrong checksum"),
    ],
)
def test_what_is_refused(wire: bytes, reason: str) -> None:
    received = laws.hear(session(), wire)
    assert ([bad.reason for bad in received.rejects], received.frames) == ([reason], [])


@pytest.mark.parametrize(
    "wire",
    [
        packet(0x2525, 0x02, position()[:90]),
        packet(0x2727, 0x26, TIME + "02"),
        data("04"),
        data("", form="70"),
        packet(0x2727, 0x05, TIME),
    ],
)
def test_what_can_not_be_read_is_said(wire: bytes) -> None:
    decoded = CODEC.decode(laws.hear(session(), wire).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


def test_custom_commands_are_sent_with_the_trackers_own_mark() -> None:
    assert CODEC.commands == ("custom",)
    wire = spoken().command(checked("custom", {"data": "RESET#"}), 0x0102, "")
    assert wire == packet(0x2525, 0x81, "01" + b"RESET#".hex(), serial=0x0102)
    assert [
        answer.text for answer in laws.hear(spoken(), packet(0x2525, 0x81, "01" + "OK".encode("utf-16-le").hex())).answers
    ] == ["OK"]


@pytest.mark.parametrize(
    ("link", "type_name", "data"), [(session(), "custom", "RESET#"), (spoken(), "custom", "京"), (spoken(), "engineStop", "")]
)
def test_what_can_not_be_sent_is_said(link: Link, type_name: str, data: str) -> None:
    with pytest.raises(CannotSend):
        link.command(checked(type_name, {"data": data} if data else {}), 1, "")


def test_laws() -> None:
    messages = [param.values[0] for param in PACKETS] + [packet(0x2525, 0x01), packet(0x2323, 0x03), packet(0x2525, 0x77)]
    laws.hold(CODEC, [message for message in messages if isinstance(message, bytes)])
