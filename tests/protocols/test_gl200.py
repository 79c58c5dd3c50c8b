"""Queclink's @Track: messages built by hand from the manuals' tables, what is answered, whose they are, and the laws."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import msgspec
import pytest

from protocols import ANSWER, Answer, CannotSend, Command
from protocols.commands import checked
from protocols.frames import Frame
from protocols.gl200 import CODEC
from protocols.gl200.kinds import READERS
from protocols.gl200.reports import usual
from protocols.gl200.text import Text
from telematics.simulator.fix import Fix
from telematics.simulator.gl200 import ALARMS, EVENTS, Tracker
from tests.protocols import laws
from tests.protocols.laws import rounded

IMEI = "861234058127369"
SENT = "20260305070811"
PLACE = "1,61.2,300,790.3,76.950000,-43.250000,20260305070809,0401,0002,5249,27DB"
NOWHERE = ",,,,,,,0401,0002,5249,27DB"
FIX: dict[str, Any] = {
    "time": "2026-03-05T07:08:09.000Z", "valid": True, "latitude": -43.25, "longitude": 76.95, "altitude_m": 790.3,
    "speed_kmh": 61.2, "course_deg": 300.0,
}  # fmt: skip
BARE: dict[str, Any] = {"time": "2026-03-05T07:08:11.000Z", "valid": False, "no_fix": True}
PORTS = {"in1": False, "in2": False, "out1": False, "out2": False}
TOWER = {"mobileCountryCode": 401, "mobileNetworkCode": 2, "locationAreaCode": 0x5249, "cellId": 0x27DB}
NETWORK = {"network": {"cellTowers": [TOWER]}}


def message(kind: str, fields: str, *, version: str = "250504", head: str = "+RESP", count: str = "01AF") -> bytes:
    return f"{head}:GT{kind},{version},{IMEI},{fields},{SENT},{count}$".encode()


def rows(data: bytes) -> list[dict[str, Any]]:
    received = laws.hear(CODEC.session(), data)
    decoded = CODEC.decode(received.frames)
    assert (received.rejects, list(decoded.unreadable)) == ([], [])
    return [rounded(row) for row in decoded.columns.rows()]


def row(kind: str, base: dict[str, Any], attributes: dict[str, Any] | None = None, **columns: Any) -> dict[str, Any]:
    hdop = {"hdop": 1.0} if base is FIX else {}
    return {**base, **columns, "attributes": {"type": kind, **hdop, **(attributes or {})}}


STATUS = {**PORTS, "input": 1, "output": 0}
REPORTS = [
    pytest.param(
        "FRI", f"lorry,12603,10,1,{PLACE},00,1234.5,00245:12:33,11975,250,90,220100,,,", "250504",
        [row("FRI", FIX, {**STATUS, "adc1": 11.975, "adc2": 0.25}, power_v=12.603, odometer_m=1234500.0, engine_hours_s=882753.0,
             battery_percent=90.0, ignition=True, motion=True)],
        id="FRI of a wired tracker",
    ),
    pytest.param(
        "FRI", f"lorry,12603,10,1,{PLACE},00,1234.5,,,,,90,210301,790,7.5,56", "802004",
        [row("FRI", FIX, {**PORTS, "input": 3, "in1": True, "output": 1, "out1": True, "rpm": 790, "fuelConsumption": 7.5,
                          "fuel": 56}, power_v=12.603, odometer_m=1234500.0, battery_percent=90.0, ignition=True, motion=False)],
        id="FRI with three analog inputs and an engine",
    ),
    pytest.param(
        "FRI", f",,10,1,{PLACE},01,14,1234.5,,F40,,90,110100,,,", "6E0202",
        [row("FRI", FIX, {**STATUS, "fuel1": 40}, satellites=14.0, odometer_m=1234500.0, battery_percent=90.0, ignition=False,
             motion=False)],
        id="FRI with satellites by the appended mask, and a fuel sensor",
    ),
    pytest.param(
        "FRI", f"1HGCM82633A004352,car,12603,10,1,{PLACE},00,1234.5,,,,90,220100,,,", "1F0301",
        [row("FRI", FIX, {**STATUS, "vin": "1HGCM82633A004352"}, power_v=12.603, odometer_m=1234500.0, battery_percent=90.0,
             ignition=True, motion=True)],
        id="FRI behind a vehicle's number",
    ),
    pytest.param("FRI", f"cat,0,0,1,{PLACE},,97", "1A0401", [row("FRI", FIX, battery_percent=97.0)], id="FRI without wires"),
    pytest.param(
        "FRI", f"cat,0,0,1,{PLACE},194.8,55", "1A0200", [row("FRI", FIX, odometer_m=194800.0, battery_percent=55.0)],
        id="FRI without wires, the odometer behind the cell",
    ),
    pytest.param(
        "FRI", f"cat,0,0,1,{PLACE},18,0,3912,93,0,1,-4.5", "DE0114",
        [row("FRI", FIX, {"temp1": -4.5}, battery_v=3.912, battery_percent=93.0, motion=True)],
        id="FRI of a box that sleeps: GSM, millivolts, level, mode, motion, temperature",
    ),
    pytest.param(
        "FRI", f"bag,0,3,0,0,1,{PLACE},31,-1,100", "423031",
        [row("FRI", FIX, {"charge": True}, gsm=-1.0, battery_percent=100.0, motion=True)],
        id="FRI of a GT501",
    ),
    pytest.param(
        "FRI", f"cat,0,0,2,{PLACE},00,2,5.0,90,791.0,76.960000,-43.260000,20260305070909,0401,0002,5249,27DB,00,80", "020102",
        [row("FRI", FIX),
         {"time": "2026-03-05T07:09:09.000Z", "valid": True, "latitude": -43.26, "longitude": 76.96, "altitude_m": 791.0,
          "speed_kmh": 5.0, "course_deg": 90.0, "battery_percent": 80.0, "attributes": {"type": "FRI", "hdop": 2.0}}],
        id="FRI with two places",
    ),
    pytest.param(
        "RTL", f"cat,0,0,1,{NOWHERE},,87", "1A0401", [row("RTL", BARE, NETWORK, battery_percent=87.0)],
        id="RTL indoors: the cell is all that is known",
    ),
    pytest.param(
        "GEO", f"lorry,,21,1,{PLACE},1234.5", "250504", [row("GEO", FIX, alarm="geofenceEnter", odometer_m=1234500.0)],
        id="GEO: into the third fence",
    ),
    pytest.param(
        "ERI", f"lorry,00000002,12603,10,1,{PLACE},00,1234.5,00872:05:41,11975,,83,220104,2,2,28FF,1,FFB8,2811,1,0190", "270302",
        [row("ERI", FIX, {**PORTS, "input": 1, "output": 4, "adc1": 11.975, "temp1": -4.5, "temp2": 25.0}, power_v=12.603,
             odometer_m=1234500.0, engine_hours_s=3139541.0, battery_percent=83.0, ignition=True, motion=True)],
        id="ERI with two 1-wire thermometers",
    ),
    pytest.param(
        "ERI", f"lorry,00000001,12603,10,1,{PLACE},00,1234.5,,,100,110000,1,0099", "310701",
        [row("ERI", FIX, {**PORTS, "input": 0, "output": 0, "fuel": 0x99}, power_v=12.603, odometer_m=1234500.0,
             battery_percent=100.0, ignition=False, motion=False)],
        id="ERI of a GV65 with one analog input, and a fuel sensor in hex",
    ),
    pytest.param(
        "ERI", f"lorry,00000018,12603,10,1,{PLACE},00,1234.5,,,,250,05,01,0,1,2,45.5,120.25", "358803",
        [row("ERI", FIX, {"adc3": 0.25, "input": 5, "output": 1, "fuel": 45.5}, power_v=12.603, odometer_m=1234500.0,
             fuel_l=120.25)],
        id="ERI of a GV200: three analog inputs, inputs and outputs apart, a fuel sensor's per cent and litres",
    ),
    pytest.param(
        "ERI", f",00000100,,10,1,{PLACE},01,9,417.2,,,,,85,1A0000,0,2,00,6,5,0C3A1F42,283F,DOOR,4A6F10B2D391,1,3105,17,52,"
        "17.38,64,01,6,2,,083F,BACK,4A6F10B2D3A7,0,,,,", "6E0A03",
        [row("ERI", FIX, {**PORTS, "input": 0, "output": 0, "tag1Name": "DOOR", "tag1Id": "4A6F10B2D391", "tag1Status": "1",
                          "tag1Voltage": 3105, "tag1Temp": 17, "tag1Humidity": 52, "tag1TempExact": 17.38, "tag1Battery": 64,
                          "tag2Name": "BACK", "tag2Id": "4A6F10B2D3A7", "tag2Status": "0"},
             satellites=9.0, odometer_m=417200.0, battery_percent=85.0, ignition=False, motion=True)],
        id="ERI with two Bluetooth sensors, one of them out of reach",
    ),
    pytest.param(
        "ERI", f"box,00000100,0,0,1,{PLACE},19,0,,79,1,1,0", "DE0115",
        [row("ERI", FIX, power_v=0.0, battery_percent=79.0, motion=True)],
        id="ERI of a box that sleeps",
    ),
    pytest.param(
        "ERI", f"box,00000080,0,0,1,{PLACE},12.5,97,64", "C30303",
        [row("ERI", FIX, {"externalBattery": 64}, power_v=0.0, odometer_m=12500.0, battery_percent=97.0)],
        id="ERI of a GL320M with an external battery",
    ),
    pytest.param(
        "ERI", f"lorry,00000004,27415,10,1,{PLACE},00,0.5,,,,110000,2,1,167,,2,H464,1291,83,P84.5", "310701",
        [row("ERI", FIX, {**PORTS, "input": 0, "output": 0, "obdOdometer": 46400, "rpm": 1291, "coolantTemp": 83, "fuel": 84.5},
             power_v=27.415, odometer_m=500.0, ignition=False, motion=False)],
        id="ERI with the engine's data, whose ignition says less than the status",
    ),
    pytest.param(
        "CAN", f"lorry,00,1,E007FFFF,VF12345,2,H23456,L812.4,1291,61,90,L/H12.5,P84,320,40,812.5,10.5,2.5,L33.5,18000,4002,8,1,"
        f"001,P75,{PLACE},00", "250504",
        [{**row("CAN", {**FIX}, {"vin": "VF12345", "obdOdometer": 2345600, "fuelUsed": 812.4, "rpm": 1291, "obdSpeed": 61,
                             "coolantTemp": 90, "fuelConsumption": 12.5, "fuel": 84, "range": 32000, "throttle": 40,
                             "drivingTime": 10.5, "idleHours": 2.5, "idleFuelConsumption": 33.5, "axleWeight": 18000,
                             "tachographInfo": 0x4002, "indicators": 8, "lights": 1, "adBlueLevel": 75},
                 ignition=True, engine_hours_s=2925000.0)}],
        id="CAN with all of the engine, and the place at the end",
    ),
    pytest.param(
        "CAN", "lorry,00,1,00000104,H23456,L120.5", "250504", [row("CAN", BARE, {"obdOdometer": 2345600}, fuel_l=120.5)],
        id="CAN without a place, the tank in litres",
    ),
    pytest.param(
        "OBD", f",car,0,78FFFF,1HGCM82633A004352,1,12613,907A8100,790,61,90,nan,12,0,1,2,P0301P0302,33,40,55,1286,"
        f"{PLACE},00,512.6",
        "1F0109",
        [row("OBD", FIX, {"vin": "1HGCM82633A004352", "obdVoltage": 12.613, "rpm": 790, "obdSpeed": 61, "coolantTemp": 90,
                          "dtcsClearedDistance": 12, "milDistance": 0, "odbConnect": True, "dtcsNumber": 2,
                          "dtcsCodes": "P0301P0302", "throttle": 33, "engineLoad": 40, "fuel": 55, "obdOdometer": 1286000},
             odometer_m=512600.0)],
        id="OBD; consumption is not a number",
    ),
    pytest.param(
        "IGN", f"lorry,379,{PLACE},01,11,00245:12:33,1234.5", "6E0202",
        [row("IGN", FIX, ignition=True, satellites=11.0, engine_hours_s=882753.0, odometer_m=1234500.0)], id="IGN",
    ),
    pytest.param("VGF", f"lorry,379,{NOWHERE},00,,1234.5", "250504",
                 [row("VGF", BARE, {**NETWORK}, ignition=False, odometer_m=1234500.0)], id="VGF indoors"),
    pytest.param("LSW", f"cat,0,1,{PLACE},00", "300500", [row("LSW", FIX, {"in1": True})], id="LSW: an input"),
    pytest.param("DIS", f"cat,,20,1,{PLACE},00,1234.5", "250504", [row("DIS", FIX, {"in2": False}, odometer_m=1234500.0)],
                 id="DIS: the second input went off"),
    pytest.param("IDA", f"lorry,,01A37F2C5E0000B4,1,1,{PLACE},00,52.7,,,", "060228",
                 [row("IDA", FIX, {"driverUniqueId": "01A37F2C5E0000B4"}, odometer_m=52700.0)], id="IDA: a driver"),
    pytest.param("NMR", f"cat,0,1,1,{PLACE},00,73", "210102", [row("NMR", FIX, motion=True, battery_percent=73.0)], id="NMR"),
    pytest.param("IGL", f"lorry,,01,1,{PLACE},00,187.6", "270302",
                 [row("IGL", FIX, ignition=True, odometer_m=187600.0)], id="IGL"),
    pytest.param("HBM", f"lorry,,11,1,{PLACE},00,2000.0", "0F0100",
                 [row("HBM", FIX, alarm="hardAcceleration", odometer_m=2000000.0)], id="HBM"),
    pytest.param("SOS", f"cat,0,0,1,{PLACE},00,80", "020102", [row("SOS", FIX, alarm="sos", battery_percent=80.0)], id="SOS"),
    pytest.param("BPL", f"cat,3.53,{PLACE},", "110100", [row("BPL", FIX, alarm="lowBattery", battery_v=3.53)], id="BPL"),
    pytest.param("STT", f"lorry,22,{PLACE},00", "060228",
                 [row("STT", FIX, alarm="movement", ignition=True, motion=True)], id="STT"),
    pytest.param("PNA", "cat", "1A0401", [row("PNA", BARE, alarm="powerOn")], id="PNA"),
    pytest.param("PFA", "cat", "1A0401", [row("PFA", BARE, alarm="powerOff")], id="PFA"),
    pytest.param("MPF", f"lorry,{PLACE},00", "250504", [row("MPF", FIX, alarm="powerCut")], id="MPF"),
    pytest.param("BTC", f"cat,{PLACE},00,52.7", "1A0401", [row("BTC", FIX, {"charge": True}, odometer_m=52700.0)], id="BTC"),
    pytest.param("DAR", f"lorry,1,3,,,{PLACE},,", "F10406",
                 [row("DAR", FIX, {"fatigueDegree": 3}, alarm="fatigueDriving")], id="DAR"),
    pytest.param("DTT", "lorry,,,1,35," + b"COMB,0,94.5,-1.0".hex(), "410502",
                 [row("DTT", BARE, {"fuel": 94.5})], id="DTT: fuel"),
    pytest.param("DTT", "lorry,,,1,5," + b"hello".hex(), "410502", [row("DTT", BARE, {"result": "hello"})], id="DTT: words"),
    pytest.param(
        "BAA", f"lorry,00,6,2,01,003F,DOOR,4A6F10B2D391,1,3105,17,52,{PLACE},00", "C20105",
        [row("BAA", FIX, {"accessoryName": "DOOR", "accessoryMac": "4A6F10B2D391", "accessoryStatus": 1.0,
                          "accessoryVoltage": 3.105, "accessoryTemp": 17.0, "accessoryHumidity": 52.0})],
        id="BAA: a Bluetooth sensor's alarm",
    ),
    pytest.param("BID", f"lorry,1,0,000A,4A6F10B2D3C5,3072,{PLACE},00", "C20105",
                 [row("BID", FIX, {"accessoryMac": "4A6F10B2D3C5", "accessoryVoltage": 3.072})], id="BID"),
    pytest.param("LSA", f"box,0,1,1,{PLACE},18,0,2,85,0,1,21.5", "DE0115",
                 [row("LSA", FIX, {"lightLevel": 2, "temp1": 21.5}, battery_percent=85.0)], id="LSA: light"),
    pytest.param("DAT", f"lorry,0,,,any words,{PLACE},00", "250504", [row("DAT", FIX, {"data": "any words"})], id="DAT"),
    pytest.param(
        "INF", "lorry,21,89997015603781452361,22,0,1,12715,,4.07,1,1,0,0,20260305070809,0,0,0,0,00,00,+0000,0", "250504",
        [row("INF", BARE, {"iccid": "89997015603781452361", "charge": True}, ignition=True, motion=False, gsm=22.0,
             power_v=12.715, battery_v=4.07)],
        id="INF",
    ),
    pytest.param(
        "INF", "cat,42,89997015603781452361,22,0,1,31.4,,3.85,0,1,0", "1A0800",
        [row("INF", BARE, {"iccid": "89997015603781452361", "charge": False}, motion=True, gsm=22.0, odometer_m=31400.0,
             battery_v=3.85)],
        id="INF without wires: the odometer stands where others have the supply",
    ),
    pytest.param(
        "INF", "1HGCM82633A004352,car,11,,27,0,1,12744,,4.09,0,2,,,20260305070809,,,,", "2D0300",
        [row("INF", BARE, {"charge": False}, ignition=False, motion=False, gsm=27.0, power_v=12.744, battery_v=4.09)],
        id="INF behind a vehicle's number",
    ),
    pytest.param("VER", "cat,GL300,0B07,0204", "1A0800",
                 [row("VER", BARE, {"deviceType": "GL300", "versionFw": 0xB07, "versionHw": 0x204})], id="VER"),
    pytest.param(
        "GSM", "STR,0401,0002,5249,27DB,16,,,,,,,", "400201",
        [row("GSM", BARE, {"network": {"cellTowers": [{**TOWER, "signalStrength": 16}]}})], id="GSM: cells",
    ),
    pytest.param(
        "WIF", "cat,1,4a6f10b2d391,-61,,,,,,,,96", "400201",
        [row("WIF", BARE, {"network": {"wifiAccessPoints": [{"macAddress": "4a:6f:10:b2:d3:91", "signalStrength": -61}]}},
             battery_percent=96.0)],
        id="WIF: networks",
    ),
    pytest.param("XYZ", "cat,what,ever", "250504", [row("XYZ", BARE)], id="a type that no manual of ours has"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "version", "expected"), REPORTS)
def test_text(kind: str, fields: str, version: str, expected: list[dict[str, Any]]) -> None:
    assert rows(message(kind, fields, version=version)) == expected


NEXT = PLACE.replace("070809", "070909")


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        pytest.param(f"cat,0,0,3,{PLACE},25.2,{NEXT},25.2,{NEXT},25.2,90", "1A0800", id="the odometer behind each cell"),
        pytest.param(f"cat,0,0,3,{PLACE},18,{NEXT},18,{NEXT},18,0,,90,0,,", "DE0114", id="the signal behind each cell"),
        pytest.param(f"cat,0,0,3,{PLACE},18,0,,{NEXT},18,0,,{NEXT},18,0,,90,0,,", "DE0114", id="three fields behind each cell"),
        pytest.param(
            f",,10,3,{PLACE},01,9,{NEXT},01,9,{NEXT},01,9,0.5,,,,90,220100,,,", "6E0504", id="satellites behind each cell"
        ),
        pytest.param(f",,10,3,{PLACE},,{NEXT},,{NEXT},,0.5,,,,90,220100,,,", "FFAA04", id="a model that nobody knows"),
    ],
)
def test_several_places(fields: str, version: str) -> None:
    fixes = rows(message("FRI", fields, version=version))
    assert [(fix["time"][14:19], fix["latitude"]) for fix in fixes] == [("08:09", -43.25), ("09:09", -43.25), ("09:09", -43.25)]
    assert [fix.get("battery_percent") for fix in fixes] == [None, None, 90.0]


def test_an_empty_place_before_others_counts() -> None:
    fixes = rows(message("FRI", f"cat,0,0,2,{NOWHERE},,{NEXT},,78", version="1A0800"))
    assert [fix.get("latitude") for fix in fixes] == [None, -43.25]
    fixes = rows(message("FRI", f",12603,10,3,{NOWHERE},01,7,{PLACE},13,9,2,1,{NEXT},00,0.5,,,,90,220100,,,", version="6E0504"))
    assert [fix.get("latitude") for fix in fixes] == [None, -43.25, -43.25]
    assert [fix.get("satellites") for fix in fixes] == [7.0, 9.0, None]
    assert [fix.get("power_v") for fix in fixes] == [None, None, 12.603]


@pytest.mark.parametrize("digits", ["9" * 400, "9" * 5000])
def test_numbers_without_an_end_are_borne(digits: str) -> None:
    for kind, fields in [
        ("FRI", f",,10,1,{PLACE},01,{digits},1234.5,{digits}:00:00,,,90,220100,{digits},,"),
        ("FRI", f",,10,{digits},{PLACE},00,{digits},{digits}:00:00,,,90,220100,,,"),
        ("ERI", f",00000002,{digits},10,1,{PLACE},00,{digits},,,,90,220100,,{digits}"),
        ("CAN", f",00,1,00000FFF,{digits},{digits}"),
    ]:
        decoded = CODEC.decode(laws.hear(CODEC.session(), message(kind, fields)).frames)
        assert len(decoded.columns) + len(decoded.unreadable) >= 1


def test_the_usual_report_is_read_as_any_other() -> None:
    for fields in ("12603,10,1", ",10,1"):
        for tail in ("00,1234.5,00245:12:33,11975,250,90,220100,,,", ",,,,,,110000,,,"):
            text = message("FRI", f"lorry,{fields},{PLACE},{tail}", head="+BUFF").decode().split(",")
            short = usual(text)
            assert short is not None
            assert [short] == READERS["FRI"](Text(text))


def test_a_late_report_says_so() -> None:
    (late,) = rows(message("FRI", f"lorry,,10,1,{PLACE},00,,,,,,220100,,,", head="+BUFF"))
    assert late["attributes"] == {"type": "FRI", "archive": True, "hdop": 1.0, **STATUS}


def test_networks_nearby_do_not_hide_the_telemetry() -> None:
    nearby = PLACE.replace(",0401", ",2,4a6f10b2d391,-61,,,,4a6f10b2d392,-70,,,,0401")
    (fix,) = rows(message("FRI", f"cat,0,0,1,{nearby},,97", version="1A0401"))
    assert (fix["latitude"], fix["battery_percent"]) == (-43.25, 97.0)


def test_what_accessories_say_wrongly_costs_only_them() -> None:
    (fix,) = rows(message("ERI", f"lorry,00000002,12603,10,1,{PLACE},00,1234.5,,,,83,220104,2,nine,28FF", version="270302"))
    assert (fix["latitude"], fix["odometer_m"], fix["attributes"]["incomplete"]) == (-43.25, 1234500.0, True)


@pytest.mark.parametrize(
    ("kind", "fields", "version", "battery"),
    [
        pytest.param("FRI", f"cat,0,0,1,{PLACE},00,0.0,a,b,c,d,e,f,g,h", "C30303", None, id="a level that is no number"),
        pytest.param("FRI", f"cat,,10,1,{PLACE},00,1.5,who,,,90,220100,,,", "250504", 90.0, id="hours that are no number"),
        pytest.param("RTL", f"cat,417120,{PLACE},,,91", "C2010D", 91.0, id="a type without its count of places"),
        pytest.param("BAA", f"cat,0,x,zz,{PLACE},00,77", "C20105", 77.0, id="an accessory without its mask"),
        pytest.param("SOS", f"cat,0,0,1,{PLACE},64", "FFAA04", 64.0, id="the battery right behind the cell"),
        pytest.param("FRI", f"cat,12603,10,1,{PLACE},00,0.5,,,,,100,,,,", "802004", 100.0, id="no status to count the fields by"),
    ],
)
def test_fields_that_a_firmware_has_otherwise_cost_no_place(kind: str, fields: str, version: str, battery: float | None) -> None:
    (fix,) = rows(message(kind, fields, version=version))
    assert (fix["latitude"], fix["time"], fix.get("battery_percent")) == (-43.25, "2026-03-05T07:08:09.000Z", battery)


def test_many_empty_places_are_read_in_no_time() -> None:
    start = perf_counter()
    CODEC.decode([Frame("text", message("FRI", "cat,,10,64," + "," * 7900))])
    assert perf_counter() - start < 0.1


def test_old_trackers_have_no_version_in_front() -> None:
    old = f"+RESP:GTPNA,{IMEI},{SENT},01AF,0102070202\0".encode()
    received = laws.hear(CODEC.session(), old)
    assert (received.login, received.frames[0].ack) == (IMEI, b"")
    assert rows(old) == [row("PNA", BARE, alarm="powerOn")]


# --- The session -------------------------------------------------------------------------------------------------------------


def test_reports_are_acknowledged_by_their_count_once_they_are_stored() -> None:
    received = laws.hear(CODEC.session(), message("PNA", "cat", count="0aF1") + b"\r\n" + message("PFA", "cat", head="+BUFF"))
    assert (received.login, received.reply) == (IMEI, b"")
    assert [frame.ack for frame in received.frames] == [b"+SACK:0aF1$", b"+SACK:01AF$"]


def test_a_count_that_was_cut_short_is_not_acknowledged() -> None:
    received = laws.hear(CODEC.session(), message("PNA", "cat", count="01A"))
    assert [frame.ack for frame in received.frames] == [b""]


def test_a_heartbeat_is_answered_at_once() -> None:
    beat = f"+ACK:GTHBD,250504,{IMEI},lorry,{SENT},11F0$".encode()
    received = laws.hear(CODEC.session(), beat)
    assert (received.login, received.reply, received.frames) == (IMEI, b"+SACK:GTHBD,250504,11F0$", [])
    assert laws.hear(CODEC.session(), beat, known=False).reply == b""


def test_a_datagram_needs_no_end() -> None:
    assert CODEC.datagram is not None
    received = laws.hear(CODEC.datagram(), message("PNA", "cat")[:-1])
    assert (len(received.frames), received.rejects) == (1, [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no message begins here"),
        (b"+RESP:GTFRI,250504$", "a message without the tracker's id"),
        (b"+HELLO:WORLD$", "not a message of Queclink's"),
        (b"+RESP:GTFRI,250504,\x01\x02,cat$", "no tracker's id can be read"),
    ],
)
def test_what_is_not_queclinks_is_refused(data: bytes, reason: str) -> None:
    received = laws.hear(CODEC.session(), data)
    assert [reject.reason for reject in received.rejects] == [reason]
    assert received.frames == []


def test_a_message_without_an_end_has_a_bound() -> None:
    session = CODEC.session()
    for _ in range(9):
        received = session.receive(b"+RESP:GTFRI," + b"1" * 1000)
    assert received.close


# --- Commands ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "password", "wire"),
    [
        (Command("positionSingle"), "gl200", b"AT+GTRTO=gl200,1,,,,,,002A$"),
        (Command("deviceIdentification"), "", b"AT+GTRTO=,8,,,,,,002A$"),
        (Command("rebootDevice"), "gl200", b"AT+GTRTO=gl200,3,,,,,,002A$"),
        (Command("factoryReset"), "gl200", b"AT+GTRTO=gl200,4,,,,,,002A$"),
        (Command("powerOff"), "gl200", b"AT+GTRTO=gl200,5,,,,,,002A$"),
        (Command("getModemStatus"), "gl200", b"AT+GTRTO=gl200,7,,,,,,002A$"),
        (Command("getVersion"), "gl200", b"AT+GTRTO=gl200,8,,,,,,002A$"),
        (Command("engineStop"), "gv200", b"AT+GTOUT=gv200,1,,,0,0,0,0,0,0,0,,,,,,,002A$"),
        (Command("engineResume"), "gv200", b"AT+GTOUT=gv200,0,,,0,0,0,0,0,0,0,,,,,,,002A$"),
        (checked("custom", {"data": "AT+GTQSS=gl200,,,,,,FFFF"}), "", b"AT+GTQSS=gl200,,,,,,FFFF$"),
    ],
)
def test_a_command(command: Command, password: str, wire: bytes) -> None:
    assert CODEC.session().command(command, 42, password) == wire  # type: ignore[attr-defined]
    assert command.type in CODEC.commands


def test_what_it_can_not_be_told() -> None:
    with pytest.raises(CannotSend, match="positionSingle"):
        CODEC.session().command(Command("alarmArm"), 1, "")  # type: ignore[attr-defined]
    with pytest.raises(CannotSend, match="comma"):
        CODEC.session().command(Command("positionSingle"), 1, "a,b")  # type: ignore[attr-defined]


def test_a_text_message_takes_the_same_words() -> None:
    assert CODEC.sms is not None
    assert CODEC.sms(Command("positionSingle"), "gl200") == "AT+GTRTO=gl200,1,,,,,,FFFF$"


def test_the_answer_brings_the_serial_back() -> None:
    text = f"+ACK:GTRTO,250504,{IMEI},lorry,RTL,002A,{SENT},0C19"
    received = laws.hear(CODEC.session(), text.encode() + b"$")
    assert received.answers == [Answer(text, serial=42, ok=True)]
    assert [frame.ack for frame in received.frames] == [b"+SACK:0C19$"]
    assert rows(text.encode() + b"$") == [{**BARE, "attributes": {"result": text}}]


# --- The simulator and the laws ----------------------------------------------------------------------------------------------

DRIVING = Fix(
    time=datetime(2026, 3, 5, 7, 8, 9, tzinfo=UTC), latitude=-43.25, longitude=76.95, altitude_m=790.3, speed_kmh=61.2,
    course_deg=300.0, odometer_m=1_234_500, power_v=12.603,
)  # fmt: skip


def test_what_the_simulator_builds_is_read_back() -> None:
    (fix,) = rows(Tracker(IMEI).report([DRIVING]))
    telemetry = {"ignition": True, "motion": True, "power_v": 12.603, "battery_percent": 90.0, "odometer_m": 1234500.0}
    assert fix == {**FIX, **telemetry, "attributes": {"type": "FRI", "hdop": 1.0, **STATUS}}


@pytest.mark.parametrize("alarm", [*ALARMS, *EVENTS])
def test_each_alarm_of_the_simulator_is_heard(alarm: str) -> None:
    (fix,) = rows(Tracker(IMEI).report([msgspec.structs.replace(DRIVING, alarm=alarm)]))
    assert (fix["alarm"], fix["latitude"], fix["odometer_m"]) == (alarm, -43.25, 1234500.0)


def test_the_simulator_counts_what_is_stored() -> None:
    tracker, session = Tracker(IMEI), CODEC.session()
    received = laws.hear(session, tracker.report([DRIVING] * 3) + tracker.status(DRIVING))
    assert tracker.receive(received.reply) == 0
    assert tracker.receive(b"".join(frame.ack for frame in received.frames)) == 3
    with pytest.raises(ValueError, match="IMEI"):
        Tracker("lorry")


def test_laws() -> None:
    texts = [message(*param.values[:2], version=str(param.values[2])) for param in REPORTS]  # type: ignore[arg-type]
    laws.hold(CODEC, [*texts, message("HBD", "lorry", head="+ACK")])
    assert ANSWER not in {frame.kind for text in texts for frame in laws.hear(CODEC.session(), text).frames}
