"""JT/T 808: messages with all their values, answers, ids, and laws."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from protocols import Frame
from protocols.jt808 import CODEC, Link
from protocols.jt808.wire import escaped, unescaped, xor
from telematics.simulator.fix import Fix
from telematics.simulator.jt808 import Tracker
from tests.protocols import laws

PHONE = "013800138000"
ID = "13800138000"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def message(kind: int, body: str = "", *, serial: int = 7, phone: str = PHONE, properties: int = 0, parts: str = "") -> bytes:
    content = bytes.fromhex(body)
    head = kind.to_bytes(2, "big") + (properties | len(content)).to_bytes(2, "big")
    return escaped(head + bytes.fromhex(phone) + serial.to_bytes(2, "big") + bytes.fromhex(parts) + content)


def place(*, alarms: str = "00000000", status: str = "00000003", time: str = "260304130607", items: str = "") -> str:
    """43.2565 N, 76.92795 E, 800 m, 61.5 km/h, 213 degrees."""
    return alarms + status + "02940bb4" + "0495d3d0" + "0320" + "0267" + "00d5" + time + items


PLACED: dict[str, Any] = {
    "time": "2026-03-04T05:06:07.000Z",
    "valid": True,
    "latitude": 43.256756,
    "longitude": 76.927952,
    "altitude_m": 800.0,
    "speed_kmh": 61.5,
    "course_deg": 213.0,
    "ignition": True,
}
STATUS = {"blocked": False, "charge": False}
NOWHERE = {"valid": False, "no_fix": True, "time": None}


def session() -> Link:
    return Link(now=lambda: NOW)


def spoken() -> Link:
    """A session whose tracker is known, with nothing to answer."""
    link = session()
    laws.hear(link, message(0x0102, "41"))
    return link


LOCATIONS = [
    pytest.param(place(), PLACED | {"attributes": STATUS}, id="a position"),
    pytest.param(
        place(items="01040000271030011f31010c0202007d0302025825040000000261021234"),
        PLACED
        | {
            "odometer_m": 1_000_000.0,
            "gsm": 31.0,
            "satellites": 12.0,
            "fuel_l": 12.5,
            "power_v": 46.6,
            "attributes": STATUS | {"obdSpeed": 60.0, "input": 2},
        },
        id="items of the standard",
    ),
    pytest.param(
        place(alarms="000000a1", status="0400040c"),
        PLACED
        | {
            "valid": False,
            "ignition": False,
            "latitude": -43.256756,
            "longitude": -76.927952,
            "alarm": "sos,lowBattery,gpsAntennaCut",
            "attributes": {"blocked": True, "charge": True},
        },
        id="alarms; south, west, fuel cut, charging, no fix",
    ),
    pytest.param(place(time="000000000000"), PLACED | {"time": None, "attributes": STATUS}, id="a clock that isn't set"),
    pytest.param(place(time="260230130607"), PLACED | {"time": None, "attributes": STATUS}, id="a day that isn't"),
    pytest.param(
        place(items="000000000000006400780000000018000000"),
        PLACED | {"odometer_m": 100_000.0, "battery_v": 12.0, "gsm": 24.0, "attributes": STATUS},
        id="18 bytes that are no items",
    ),
    pytest.param(
        place(items="010400000001250400000003" + "300105310106"),
        PLACED | {"odometer_m": 100.0, "gsm": 5.0, "satellites": 6.0, "attributes": STATUS | {"input": 3}},
        id="18 bytes that are items",
    ),
    pytest.param(
        place(items="d401ff30011f"),
        PLACED | {"gsm": 31.0, "attributes": STATUS | {"charge": True}},
        id="charging instead of a percentage",
    ),
    pytest.param(
        place(items="d40400bc614ed40155"),
        PLACED | {"battery_percent": 85.0, "attributes": STATUS | {"driverUniqueId": "12345678"}},
        id="a driver's number and a battery under one number",
    ),
    pytest.param(
        place(items="eb29000300a8510004002d0f3c00060089ffffeffe000600c5ffffffbf000c00b28977010000123456789f"),
        PLACED
        | {
            "battery_v": 3.9,
            "battery_percent": 81.0,
            "alarm": "removing,vibration,powerOff",
            "attributes": STATUS | {"iccid": "8977010000123456789"},
        },
        id="items in item EB, where a bit that isn't set is an alarm",
    ),
    pytest.param(
        place(
            items="800128810207d08202007b84015a850201f48b114b4d4843543431444245553030303034325602044e8e013ca00b50303330302c5530313030"
        ),
        PLACED
        | {
            "power_v": 12.3,
            "battery_percent": 78.0,
            "attributes": STATUS
            | {
                "rpm": 2000,
                "coolantTemp": 50,
                "fuelConsumption": 500,
                "vin": "KMHCT41DBEU000042",
                "fuel": 60,
                "dtcs": "P0300 U0100",
            },
        },
        id="OBD behind item 80",
    ),
    pytest.param(
        place(alarms="00010001", items="f20a414f56585f474c313030f6060703010000ff"),
        PLACED
        | {
            "alarm": "movement",
            "attributes": STATUS | {"versionFw": "AOVX_GL100", "event": 7, "lightSensor": 256, "temp1": 25.5},
        },
        id="AOVX's models mean other things",
    ),
    pytest.param(
        place(items="33192a4d30302c30372c323233373931324d61696e305368757423"),
        PLACED | {"battery_v": 3.79, "attributes": STATUS},
        id="a padlock's sentence",
    ),
    pytest.param(
        place(items="5708070000000000000051020017e40200645106ffff"),
        PLACED
        | {
            "alarm": "hardAcceleration,hardBraking,hardCornering",
            "battery_percent": 100.0,
            "attributes": STATUS | {"charge": True, "temp1": 2.3},
        },
        id="harsh driving, temperature, charge",
    ),
    pytest.param(
        place(status="00000001", items="f00d01910001000012340000567819ec07aabbccddeeffc5"),
        PLACED
        | {
            "valid": False,
            "attributes": STATUS
            | {
                "network": {
                    "cellTowers": [
                        {
                            "mobileCountryCode": 401,
                            "mobileNetworkCode": 1,
                            "locationAreaCode": 0x5678,
                            "cellId": 0x1234,
                            "signalStrength": 25,
                        }
                    ],
                    "wifiAccessPoints": [{"macAddress": "aa:bb:cc:dd:ee:ff", "signalStrength": -59}],
                }
            },
        },
        id="cells and access points, where there is no fix",
    ),
    pytest.param(
        place(items="e8050c0e02000030011fe80304050630ff"),
        PLACED | {"alarm": "powerCut", "gsm": 31.0, "attributes": STATUS | {"lockStatus": 0x040506}},
        id="Jimi's events, a lock's state, an item that is cut short",
    ),
]


@pytest.mark.parametrize(("body", "row"), LOCATIONS)
def test_a_position_is_read_whole(body: str, row: dict[str, Any]) -> None:
    assert laws.rows(CODEC, message(0x0200, body)) == [row]


BATCH_RECORD = place(items="010400000001")
OTHERS = [
    pytest.param(
        message(0x0704, "000201" + f"0022{BATCH_RECORD}" + f"001c{place(time='260304130608')}"),
        [
            PLACED | {"odometer_m": 100.0, "attributes": STATUS | {"archive": True}},
            PLACED | {"time": "2026-03-04T05:06:08.000Z", "attributes": STATUS | {"archive": True}},
        ],
        id="a batch from memory",
    ),
    pytest.param(message(0x0704, f"000100001c{place()}"), [PLACED | {"attributes": STATUS}], id="a batch that is new"),
    pytest.param(
        message(0x0210, f"22{BATCH_RECORD}1c{place()}"),
        [PLACED | {"odometer_m": 100.0, "attributes": STATUS}, PLACED | {"attributes": STATUS}],
        id="a short batch",
    ),
    pytest.param(
        message(0x0210, "5a260304130607"),
        [NOWHERE | {"time": "2026-03-04T05:06:07.000Z", "battery_percent": 90.0, "attributes": {}}],
        id="a battery and a time",
    ),
    pytest.param(message(0x0201, f"0009{place()}"), [PLACED | {"attributes": STATUS}], id="the position that was asked for"),
    pytest.param(
        message(0x0002, "5a1f07"),
        [NOWHERE | {"battery_percent": 90.0, "gsm": 31.0, "attributes": {"status": 7}}],
        id="a heartbeat that says more",
    ),
    pytest.param(
        message(0x0107, "0001" + "4142434445" + "4d31".ljust(40, "0") + "00" * 7 + "89860012345678901234" + "0256310346312e"),
        [NOWHERE | {"attributes": {"model": "M1", "iccid": "89860012345678901234", "versionHw": "V1", "versionFw": "F1."}}],
        id="attributes",
    ),
    pytest.param(
        message(0x0104, "000904" + "00000001040000001e" + "0000001303312e32" + "000000800400000005" + "0000008304bea94131"),
        [NOWHERE | {"odometer_m": 500.0, "attributes": {"heartbeatInterval": 30, "server": "1.2", "plateNumber": "京A1"}}],
        id="parameters",
    ),
    pytest.param(message(0x0701, "000000054f4b20353f"), [NOWHERE | {"attributes": {"result": "OK 5?"}}], id="words"),
    pytest.param(
        message(0x0702, "01" + "260304130607" + "00" + "03416c69" + "4b31".ljust(40, "0") + "0142" + "20271231"),
        [
            NOWHERE
            | {
                "time": "2026-03-04T05:06:07.000Z",
                "attributes": {
                    "cardStatus": 1,
                    "cardResult": 0,
                    "driver": "Ali",
                    "cardCode": "K1",
                    "cardAgency": "B",
                    "cardValidity": "20271231",
                },
            }
        ],
        id="a driver's card",
    ),
    pytest.param(
        message(0x2070, "260304130607" + "00018002ffff"),
        [NOWHERE | {"attributes": {"gSensor": "[[1,-2,-32767]]"}}],
        id="accelerations",
    ),
    pytest.param(message(0x6006, "01cdea3f"), [NOWHERE | {"attributes": {"result": "完?"}}], id="a text in GBK"),
    pytest.param(message(0x1300, "0009004f004b"), [NOWHERE | {"attributes": {"result": "OK"}}], id="a text in UTF-16"),
    pytest.param(
        message(0x0001, "0009850000"), [NOWHERE | {"attributes": {"result": "8500: done"}}], id="an answer to a command"
    ),
    pytest.param(
        message(0x0705, "0002" + "1306070000" + "4cf00400" + "f07d7e2013000fff" + "00000123" + "0102030405060708"),
        [NOWHERE | {"attributes": {"cancf00400": "f07d7e2013000fff", "can123": "0102030405060708"}}],
        id="messages of the vehicle's bus",
    ),
    pytest.param(
        message(0x0800, "0000002a" + "00" + "00" + "03" + "01"),
        [NOWHERE | {"attributes": {"mediaId": 42, "event": 3, "channel": 1}}],
        id="a photo was taken",
    ),
    pytest.param(message(0x0108, "0001"), [NOWHERE | {"attributes": {"result": "upgrade of 0: failed"}}], id="an upgrade"),
    pytest.param(message(0x0805, "0009010000"), [NOWHERE | {"attributes": {"result": "failed"}}], id="no photo"),
    pytest.param(
        message(0x0900, "41" + b"$OBD-RT,13.6,1450,62,,41.5,88,0,7.45,3.25,96,18.75,240.5,1".hex()),
        [
            NOWHERE
            | {
                "power_v": 13.6,
                "attributes": {
                    "rpm": 1450.0,
                    "obdSpeed": 62.0,
                    "engineLoad": 41.5,
                    "coolantTemp": 88.0,
                    "fuelConsumption": 7.45,
                    "tripOdometer": 3.25,
                    "obdOdometer": 96.0,
                    "tripFuelUsed": 18.75,
                    "fuelUsed": 240.5,
                },
            }
        ],
        id="transparent: OBD in words",
    ),
    pytest.param(
        message(
            0x0900, "f0260304130607" + "010001" + "03" + "0536020384" + "052b0150" + "123401ff" + "00000003" + "02940bb40495d3d0"
        ),
        [
            NOWHERE
            | {
                "time": "2026-03-04T05:06:07.000Z",
                "ignition": True,
                "attributes": STATUS | {"archive": True, "rpm": 900, "fuel": 80, "io4660": 255},
            }
        ],
        id="transparent: numbers of the vehicle",
    ),
    pytest.param(
        message(0x0900, "f0260304130607" + "000003" + "02" + "1a00" + "250101" + "00000000" + "0000000000000000"),
        [
            NOWHERE
            | {"time": "2026-03-04T05:06:07.000Z", "ignition": False, "alarm": "overspeed,hardAcceleration", "attributes": STATUS}
        ],
        id="transparent: alarms",
    ),
    pytest.param(
        message(0x0900, "ff260304130607" + "02940bb4" + "fb6a2c30" + "0320" + "0267" + "00d5"),
        [{name: value for name, value in PLACED.items() if name != "ignition"} | {"longitude": -76.927952, "attributes": {}}],
        id="transparent: a bare place",
    ),
]


@pytest.mark.parametrize(("data", "rows"), OTHERS)
def test_other_messages_are_read_whole(data: bytes, rows: list[dict[str, Any]]) -> None:
    assert laws.rows(CODEC, data) == rows


LOCK = (
    "040326050607" + "43154053" + "076556779" + "{flags}" + "0a" + "5a" + "1f" + "0c" + "00000064" + "50" + "00001234" + "0056"
    "03" + "0020" + "0024" + "02020320" + "100102" + "0a03019101" + "0b080331323334353665" + "0c06ffff00020003"
)  # fmt: skip
LOCKED: dict[str, Any] = {
    "time": "2026-03-04T05:06:07.000Z",
    "valid": True,
    "latitude": 43.256755,
    "longitude": 76.927965,
    "altitude_m": 800.0,
    "speed_kmh": 18.52,
    "course_deg": 180.0,
    "satellites": 12.0,
    "battery_percent": 80.0,
    "odometer_m": 100_000.0,
    "gsm": 31.0,
    "alarm": "vibration,geofenceEnter",
    "attributes": {
        "blocked": True,
        "status": 32,
        "wakeSource": 2,
        "lockCommand": 3,
        "lockPassword": "123456",
        "unlockResult": 101,
        "tilt": "[-1,2,3]",
    },
}


def lock(kind: int, flags: str, properties: int = 0) -> bytes:
    body = bytes.fromhex(LOCK.format(flags=flags))
    return escaped(
        kind.to_bytes(2, "big") + (properties | len(body)).to_bytes(2, "big") + bytes.fromhex("741206003518") + b"\x09" + body
    )


def test_a_lock_without_a_clock_says_where_it_is() -> None:
    wire = unescaped(lock(0x5502, "7"))[:-1]
    [row] = laws.rows(CODEC, escaped(wire.replace(bytes.fromhex("040326050607"), bytes(6))))
    assert (row["time"], row["latitude"], row["valid"]) == (None, LOCKED["latitude"], False)


def test_a_lock_says_where_it_is_and_whether_it_wants_an_answer() -> None:
    assert laws.rows(CODEC, lock(0x5501, "7")) == [LOCKED]
    network = {"cellTowers": [{"mobileCountryCode": 401, "mobileNetworkCode": 1, "locationAreaCode": 0x56, "cellId": 0x1234}]}
    [row] = laws.rows(CODEC, lock(0x5502, "0"))
    assert row == LOCKED | {"valid": False, "latitude": -43.256755, "longitude": -76.927965,
                            "attributes": LOCKED["attributes"] | {"network": network}}  # fmt: skip
    assert [frame.ack for frame in laws.hear(session(), lock(0x5501, "7")).frames] == [b""]
    [frame] = laws.hear(session(), lock(0x5501, "7", 0x8000)).frames
    assert unescaped(frame.ack)[:-1].hex() == "44010003" + "741206003518" + "01" + "5501" + "00"


def answers(data: bytes) -> list[str]:
    """The server's messages, without marks and checksums."""
    mark = data[:1]
    parts = [mark + part + mark for part in data.split(mark) if part]
    assert all(xor(unescaped(part)) == 0 for part in parts)
    return [unescaped(part)[:-1].hex() for part in parts]


@pytest.mark.parametrize(
    ("kind", "body", "reply"),
    [
        pytest.param(0x0100, "002c012f", f"8100000f{PHONE}0000" + "0007" + "00" + PHONE.encode().hex(), id="registration"),
        pytest.param(0x0102, "41", f"80010005{PHONE}0000" + "0007010200", id="authentication"),
        pytest.param(0x0002, "", f"80010005{PHONE}0000" + "0007000200", id="heartbeat"),
        pytest.param(0x0003, "", f"80010005{PHONE}0000" + "0007000300", id="logout"),
        pytest.param(0x0109, "", f"81090008{PHONE}0000" + "07ea0304050607" + "00", id="what time is it"),
        pytest.param(0x0004, "", f"80040006{PHONE}0000" + "260304050607", id="what time is it, in 2019"),
    ],
)
def test_what_is_answered_at_once(kind: int, body: str, reply: str) -> None:
    received = laws.hear(session(), message(kind, body))
    assert (received.login, answers(received.reply), received.frames) == (ID, [reply], [])


@pytest.mark.parametrize(
    ("kind", "body"),
    [(0x0200, place()), (0x0704, f"000100001c{place()}"), (0x0210, f"1c{place()}"), (0x0900, "4041"), (0x6006, "0141")],
)
def test_reports_are_acknowledged_once_they_are_stored(kind: int, body: str) -> None:
    received = laws.hear(session(), message(kind, body, serial=0x7E7D))
    assert received.reply == b""
    assert answers(received.frames[0].ack) == [f"80010005{PHONE}0000" + f"7e7d{kind:04x}00"]
    assert b"\x7d\x02\x7d\x01" in received.frames[0].ack, "the serial is escaped"


def test_a_stranger_is_told_so_and_asked_for_by_both_of_his_numbers() -> None:
    link = session()
    assert link.receive(message(0x0100)).login == ID
    assert link.admit(False).login == PHONE
    refused = link.admit(False)
    assert (refused.login, answers(refused.reply)) == (None, [f"81000003{PHONE}0000" + "0007" + "04"])
    received = laws.hear(link, message(0x0102, "41"), known=False)
    assert answers(received.reply) == [f"80010005{PHONE}0000" + "0007010201"]
    received = laws.hear(link, message(0x0200, place()), known=False)
    assert (received.reply, received.frames) == (b"", [])
    link.receive(message(0x0100))
    link.admit(False)
    assert answers(link.admit(True).reply)[0].startswith("8100"), "known by the number with its zeros"


def test_the_form_of_2019_has_a_version_and_a_longer_number() -> None:
    number = "00000353816051234565"
    body = bytes.fromhex(place())
    head = bytes.fromhex("0200") + (0x4000 | len(body)).to_bytes(2, "big") + b"\x01" + bytes.fromhex(number)
    received = laws.hear(session(), escaped(head + b"\0\x09" + body))
    assert received.login == "353816051234565"
    assert answers(received.frames[0].ack) == ["80014005" + "01" + number + "0000" + "0009020000"]


def test_the_other_mark_has_escapes_of_its_own_and_a_longer_number() -> None:
    body = bytes.fromhex(place(items="0704e6e73e3d"))
    head = bytes.fromhex("0200") + len(body).to_bytes(2, "big") + bytes.fromhex("00013800138000")
    wire = escaped(head + b"\0\x3e" + body, 0xE7)
    assert (wire[0], wire[-1], wire.count(b"\xe7")) == (0xE7, 0xE7, 2)
    received = laws.hear(session(), wire)
    assert received.login == "13800138000"
    assert received.frames[0].payload == body
    assert answers(received.frames[0].ack) == ["80010005" + "00013800138000" + "0000" + "003e020000"]


def test_a_number_that_is_no_bcd_is_an_imei_without_its_last_digit() -> None:
    assert session().receive(message(0x0002, phone="4ebc79c75a66")).login == "865714039261185"


def test_fragments_become_one_message_that_is_acknowledged_when_it_is_stored() -> None:
    link = spoken()
    first = laws.hear(link, message(0x0704, "000100", serial=1, properties=0x2000, parts="00020001"))
    assert (answers(first.reply), first.frames) == ([f"80010005{PHONE}0000" + "0001070400"], [])
    last = laws.hear(link, message(0x0704, f"001c{place()}", serial=2, properties=0x2000, parts="00020002"))
    assert last.reply == b""
    assert answers(last.frames[0].ack) == [f"80010005{PHONE}0000" + "0002070400"]
    assert [laws.rounded(row) for row in CODEC.decode(last.frames).columns.rows()] == [PLACED | {"attributes": STATUS}]
    too_many = laws.hear(link, message(0x0704, "00", properties=0x2000, parts="ffff0001"))
    assert (len(too_many.rejects), too_many.frames) == (1, [])
    too_long = laws.hear(link, message(0x0704, "00" * 1100, properties=0x2000, parts="00020001"))
    assert (len(too_long.rejects), too_long.frames) == (1, [])


def test_photos_are_taken_off_the_trackers_hands() -> None:
    link = spoken()
    laws.hear(link, message(0x0801, "0000002a0102", properties=0x2000, parts="00020001"))
    received = laws.hear(link, message(0x0801, "0304", properties=0x2000, parts="00020002"))
    assert answers(received.reply) == [f"80010005{PHONE}0000" + "0007080100", f"88000004{PHONE}0000" + "0000002a"]
    assert [bad.reason for bad in received.rejects] == ["photos and sounds are not kept"]


def test_a_wrong_checksum_is_refused_and_still_explained() -> None:
    wire = bytearray(message(0x0200, place()))
    wire[-2] ^= 1
    received = laws.hear(session(), bytes(wire))
    [bad] = received.rejects
    assert (received.login, bad.reason) == (None, "the checksum is wrong")
    assert bad.unchecked == Frame("location", bytes.fromhex(place()))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(message(0x0200, place(), properties=0x0400), "the body is encrypted", id="encrypted"),
        pytest.param(message(0x7777, "00"), "no message 7777 is read", id="an unknown kind"),
        pytest.param(b"\x7e\x02\x00\x02\x7e", "a message shorter than its header", id="no header"),
        pytest.param(b"GET / HTTP/1.1" + message(0x0002), "no message begins here", id="rubbish in front"),
        pytest.param(b"(hello)", "the tracker has not said who it is", id="a sentence of nobody"),
    ],
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    received = laws.hear(session(), data)
    assert [bad.reason for bad in received.rejects] == [reason]
    assert received.frames == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param((0x0200, place()[:-2]), id="a position that is short"),
        pytest.param((0x0704, f"000100001b{place()}"), id="a record that is short"),
        pytest.param((0x0704, f"000100ffff{place()}"), id="a record past the end"),
        pytest.param((0x0702, "01"), id="a card that ends early"),
        pytest.param((0x0001, "01"), id="an answer that ends early"),
    ],
)
def test_what_can_not_be_read_is_said(body: tuple[int, str]) -> None:
    decoded = CODEC.decode(laws.hear(session(), message(*body)).frames)
    assert (len(decoded.unreadable), len(decoded.columns)) == (1, 0)


def test_a_record_that_is_cut_short_costs_only_itself() -> None:
    decoded = CODEC.decode(laws.hear(session(), message(0x0704, f"000201001c{place()}001c{place()[:-2]}")).frames)
    assert [laws.rounded(row) for row in decoded.columns.rows()] == [PLACED | {"attributes": STATUS | {"archive": True}}]
    assert [bad.reason for bad in decoded.unreadable] == ["record 2 of the batch has 28 bytes, 27 are left"]


def test_a_message_whose_beginning_was_lost_costs_only_itself() -> None:
    received = laws.hear(session(), b"\x01\x02\x7e" + message(0x0200, place()))
    assert (len(received.frames), len(received.rejects)) == (1, 1)


def test_sentences_ask_for_the_time_and_answer_commands() -> None:
    link = session()
    received = laws.hear(link, b"(7000498217,1,001,BASE,2,TIME)")
    assert (received.login, received.reply) == ("7000498217", b"(7000498217,1,001,BASE,2,20260304050607)")
    received = laws.hear(link, b"(7000498217,1,001,P35,1)")
    assert [answer.text for answer in received.answers] == ["(7000498217,1,001,P35,1)"]
    assert [row["attributes"] for row in CODEC.decode(received.frames).columns.rows()] == [{"result": "(7000498217,1,001,P35,1)"}]


FIX = Fix(
    time=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), latitude=-43.256755, longitude=76.927963, altitude_m=812, speed_kmh=61.5,
    course_deg=213, satellites=11, ignition=True, power_v=13.82, battery_percent=91, gsm=27, odometer_m=123_400, alarm="sos",
)  # fmt: skip


@pytest.mark.parametrize("unique_id", ["13800138000", "353816051234565"])
def test_what_the_simulator_builds_is_read_back(unique_id: str) -> None:
    tracker, link = Tracker(unique_id), session()
    welcome = laws.hear(link, tracker.hello())
    assert (welcome.login, tracker.receive(welcome.reply), tracker.accepted) == (unique_id, 0, True)
    received = laws.hear(link, tracker.report([FIX, Fix(time=FIX.time, latitude=1, longitude=-2, alarm="hardBraking")]))
    first, second = (laws.rounded(row) for row in CODEC.decode(received.frames).columns.rows())
    assert first == {
        "time": "2026-03-04T05:06:07.000Z", "valid": True, "latitude": -43.256755, "longitude": 76.927963, "altitude_m": 812.0,
        "speed_kmh": 61.5, "course_deg": 213.0, "satellites": 11.0, "ignition": True, "power_v": 13.82, "battery_percent": 91.0,
        "gsm": 27.0, "odometer_m": 123_400.0, "alarm": "sos", "attributes": STATUS,
    }  # fmt: skip
    assert (second["latitude"], second["longitude"], second["alarm"]) == (1.0, -2.0, "hardBraking")
    acks = b"".join(frame.ack for frame in received.frames)
    assert [tracker.receive(acks[:10]), tracker.receive(acks[10:])] == [0, 2]
    assert laws.hear(link, tracker.status(FIX)).reply != b""


def test_the_simulator_wants_a_number() -> None:
    with pytest.raises(ValueError, match="at most 20 digits"):
        Tracker("T1")


@pytest.mark.parametrize("unique_id", ["13800138000", "353816051234565"])
def test_a_server_that_refuses_is_heard(unique_id: str) -> None:
    tracker = Tracker(unique_id)
    tracker.receive(laws.hear(session(), tracker.hello(), known=False).reply)
    assert tracker.accepted is False


def test_laws() -> None:
    messages = [
        message(0x0100, "002c012f"), message(0x0200, place(items="0104000012343001113101 0b".replace(" ", ""))),
        message(0x0200, place(items="eb29000300a8510004002d0f3c00060089ffffeffe000600c5ffffffbf000c00b28977010000123456789f")),
        message(0x0704, f"000201001c{place()}001c{place()}"), message(0x0210, f"1c{place()}"),
        message(0x0900, "f0260304130607010001" + "01" + "0536020384" + "00000003" + "00" * 8), message(0x0702, "01" + "00" * 40),
        message(0x0704, f"000100001c{place()}", properties=0x2000, parts="00010001"), lock(0x5501, "7", 0x8000),
        b"(7000498217,1,001,P35,1)", b"\r\n", message(0x0001, "0102810500"), message(0x7777, "7e7d7e"),
    ]  # fmt: skip
    laws.hold(CODEC, messages)
