"""GT06: frames with all their values, how a session answers, and the laws."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastcrc.crc16 import ibm_sdlc

from protocols.gt06 import Stream, decode
from protocols.gt06.stream import zone_of

IMEI = "861234058127369"
ROOT = Path(__file__).resolve().parents[2]
SCORE = ROOT.parent / "shared" / "tools" / "packet-score"


def short(content: str, serial: int = 1) -> bytes:
    """A 7878 frame of hex that starts with the kind."""
    inside = bytes.fromhex(content) + serial.to_bytes(2, "big")
    body = bytes((len(inside) + 2,)) + inside
    return b"xx" + body + ibm_sdlc(body).to_bytes(2, "big") + b"\r\n"


def long(content: str, serial: int = 1) -> bytes:
    inside = bytes.fromhex(content) + serial.to_bytes(2, "big")
    body = (len(inside) + 2).to_bytes(2, "big") + inside
    return b"yy" + body + ibm_sdlc(body).to_bytes(2, "big") + b"\r\n"


def logged_in(zone: str = "0000") -> Stream:
    stream = Stream(now=lambda: datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC))
    assert stream.receive(short(f"01 0{IMEI} 2001 {zone}")).login == IMEI
    stream.admit(True)
    return stream


def rows(raw: bytes, zone: str = "0000") -> list[dict[str, Any]]:
    """All reports in raw, with numbers rounded to what the wire can say."""
    received = logged_in(zone).receive(raw)
    assert received.rejects == []
    decoded = decode(received.frames)
    assert list(decoded.unreadable) == []
    return [
        {name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()}
        for row in decoded.columns.rows()
    ]


# 2024-03-05 07:08:09, 11 satellites, 43.25 N 76.95 E, 61 km/h, course 90, fixed
PLACE = "180305070809 CB 04A3E590 08417EB0 3D 145A"
PLACED: dict[str, Any] = {
    "time": "2024-03-05T07:08:09.000Z",
    "valid": True,
    "latitude": 43.25,
    "longitude": 76.95,
    "speed_kmh": 61,
    "course_deg": 90,
    "satellites": 11,
}
CELL = "0191 02 5249 0027DB"
WIDE_CELL = "8191 0002 5249 0027DB"
CELL_4G = "0191 02 00005249 00000000000027DB"


def fix(attributes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {**PLACED, **more, "attributes": attributes or {}}


def state(attributes: dict[str, Any] | None = None, time: str | None = None, **more: Any) -> dict[str, Any]:
    return {"time": time, "valid": False, "no_fix": True, **more, "attributes": attributes or {}}


def tower(signal: int | None = None, cell: int = 0x27DB) -> dict[str, int]:
    seen = {"mobileCountryCode": 401, "mobileNetworkCode": 2, "locationAreaCode": 0x5249, "cellId": cell}
    return seen if signal is None else seen | {"signalStrength": signal}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            bytes.fromhex("78781F12 0B081D112E10 CF 027AC7EB 0C465849 00 148F 01CC00287D001FB8 0003 8081 0D0A"),
            {
                "time": "2011-08-29T17:46:16.000Z", "valid": True, "latitude": 23.111668, "longitude": 114.409285,
                "speed_kmh": 0, "course_deg": 143, "satellites": 15, "attributes": {},
            },
            id="Concox's manual, section 5.2, the example of a location",
        ),
        pytest.param(
            bytes.fromhex("78781f12 0f0b050e2536 c6 01fb782d 07ed996b 00 345d 01941b00b8002f51 0016 3421 0d0a"),
            {
                "time": "2015-11-05T14:37:54.000Z", "valid": True, "latitude": 18.476398, "longitude": 73.895455,
                "speed_kmh": 0, "course_deg": 93, "satellites": 6, "attributes": {},
            },
            id="a TK06A in Pune, from a forum",
        ),
        pytest.param(
            bytes.fromhex("78780a13 40 05 03 02 01 0074 1c3b 0d0a"),
            state({"status": 64, "charge": False, "blocked": False}, ignition=False, battery_percent=83, gsm=3, alarm="powerCut"),
            id="a heartbeat that tells of a power cut, from Traccar's forum",
        ),
        pytest.param(short(f"10 {PLACE}"), fix(), id="0x10: place alone"),
        pytest.param(short(f"10 {PLACE} 0001"), fix(), id="0x10: bytes behind it that no manual explains"),
        pytest.param(short(f"11 {PLACE} 0191 0002 5249 000027DB"), fix(), id="0x11: long cell"),
        pytest.param(short(f"12 {PLACE} {CELL} 0001E240"), fix(odometer_m=123456), id="0x12: odometer"),
        pytest.param(short(f"12 {PLACE} {WIDE_CELL} 01 00 00"), fix(ignition=True), id="0x12: wide network, no odometer"),
        pytest.param(short(f"22 {PLACE} {CELL} 010301"), fix({"event": 3, "archive": True}, ignition=True), id="0x22: memory"),
        pytest.param(short(f"22 {PLACE} {CELL} 00 00 00 0001E240"), fix(ignition=False, odometer_m=123456), id="0x22: odometer"),
        pytest.param(short(f"22 {PLACE} {WIDE_CELL} 01 00 00"), fix(ignition=True), id="0x22: wide network code"),
        pytest.param(
            short("22 180305070809 00 04A3E590 08417EB0 00 4800" + CELL + "000000"),
            {**fix(), "valid": False, "latitude": -43.25, "longitude": -76.95, "speed_kmh": 0, "course_deg": 0, "satellites": 0,
             "ignition": False},
            id="0x22: south and west, no fix",
        ),
        pytest.param(short(f"2D {PLACE} {CELL} 01 00 00"), fix(ignition=True), id="0x2D"),
        pytest.param(short(f"A0 {PLACE} {CELL_4G} 01 00 01"), fix({"archive": True}, ignition=True), id="0xA0: 4G cell"),
        pytest.param(short(f"12 {PLACE.replace('145A', 'D45A')} {CELL}"), fix(ignition=True), id="0x12: ignition bit"),
        pytest.param(short(f"1E {PLACE} {CELL * 3}"), fix(), id="0x1E: more cells"),
        pytest.param(short(f"12 0{IMEI} {PLACE} {CELL}"), fix(), id="QH302R: IMEI before the place"),
        pytest.param(short(f"12 {PLACE} {CELL} C025"), fix({"in2": True, "adc1": 3.7}, ignition=True), id="Benway: voltage"),
        pytest.param(short(f"12 {PLACE} {CELL} 1219"), fix({"in2": False, "temp1": -25}, ignition=False), id="Benway: frost"),
        pytest.param(
            short(f"12 {PLACE} {CELL} 7A 04E0 04 00"),
            fix({"status": 122, "charge": False, "blocked": False}, ignition=True, power_v=12.48, gsm=4, alarm="overspeed"),
            id="VXT01: volts, and its own seventh alarm",
        ),
        pytest.param(
            short(f"12 {PLACE} {CELL} 42 04E2 04 06 0010 8A 00003039"),
            fix({"status": 66, "charge": False, "blocked": False, "oil": 16, "temp1": -10}, ignition=True, power_v=12.5, gsm=4,
                odometer_m=123450, alarm="overspeed"),
            id="S5",
        ),
        pytest.param(
            short(f"12 {PLACE} {CELL} 0001E240 01 41 01 02 0010"),
            fix({"card": "A", "cardStatus": 2, "drivingTime": 16}, odometer_m=123456, alarm="general"),
            id="WeTrust: a driver's card",
        ),
        pytest.param(
            short(f"12 {PLACE} {CELL} 0001E240 4B {(b'LICENCE 7'.ljust(75)).hex()} 00 01"),
            fix({"card": "LICENCE 7"}, odometer_m=123456),
            id="GT06E: a card reader",
        ),
        pytest.param(
            short(f"22 {PLACE} 0191 02 5249 000027DB 01 00 00 0001E240 00000010 0AF0 1388"),
            fix({"temp1": 28.0, "humidity": 50.0}, ignition=True, odometer_m=123456),
            id="SEEWORLD: climate",
        ),
        pytest.param(
            short(f"31 {PLACE} 0191 0002 5249 000027DB 01 00 00 0001E240 0352"),
            fix(ignition=True, odometer_m=123456, altitude_m=850),
            id="SL4X: odometer and altitude",
        ),
        pytest.param(
            short(f"31 {PLACE} 0191 0002 5249 00000000000027DB 01 00 01 FFF6"),
            fix({"archive": True}, ignition=True, altitude_m=-10),
            id="SL4X: long cell, below the sea",
        ),
        pytest.param(
            short(f"17 {PLACE} {CELL} 0123456789ABCDEF 01"),
            fix({"driverUniqueId": "0123456789abcdef"}),
            id="0x17 with a card rather than Wi-Fi",
        ),
        pytest.param(
            short(f"22 01 0{IMEI} 180305070809 {PLACE} 09 {CELL} 42 04E2 29 04 01 02 01E240 00003C"),
            fix({"status": 66, "charge": False, "blocked": False}, ignition=True, power_v=12.5, battery_v=4.1, gsm=4, alarm="sos",
                odometer_m=123456, engine_hours_s=3600),
            id="NT20: everything in one",
        ),
        pytest.param(
            short(f"A2 {PLACE} {CELL_4G} 11 46 04E2 55 04 02 02 0001E240 00000E10 0{IMEI} 0200"),
            fix({"status": 70, "charge": True, "blocked": False, "input": 512}, ignition=True, power_v=12.5, battery_percent=85,
                gsm=4, odometer_m=123456, engine_hours_s=3600, alarm="powerCut"),
            id="LW4G",
        ),
        pytest.param(
            short(f"24 {PLACE} {CELL} 01 04EC 0194 00000000000000000000"),
            fix(ignition=True, power_v=12.6, battery_v=4.04),
            id="SR411 mini",
        ),
        pytest.param(
            short(f"37 {PLACE} {CELL} 01 00 01 0027 02 04E2 002E 04 0001E240 003B 02 00FA 0099 01 FF"),
            fix({"archive": True}, ignition=True, power_v=12.5, odometer_m=123456, accuracy_m=2.5),
            id="0x37: modules, one of them unknown",
        ),
        pytest.param(
            short(f"38 {PLACE} 02 01 03 0191 02 00005249 00000000000027DB 0011"),
            fix({"event": 2, "archive": True}),
            id="0x38: LTE cell",
        ),
        pytest.param(
            short(f"34 00000000 {PLACE} 0000 0001E240 0191 02 5249 000027DB 00000007 04E2 0190 00200000 01 02 0064 00C8"),
            fix({"driverUniqueId": "7", "input": 1, "output": 2, "adc1": 1.0, "adc2": 2.0}, odometer_m=123456, power_v=12.5,
                battery_v=4.0),
            id="X1",
        ),
        pytest.param(
            short(f"61 0{IMEI} {PLACE} 0191 02 5249 000027DB 000000000102"), fix({"driverUniqueId": "258"}), id="iButton"
        ),
        pytest.param(
            short(f"16 {PLACE} 09 {CELL} 66 06 04 01 02"),
            fix({"status": 102, "charge": True, "blocked": False}, ignition=True, battery_percent=100, gsm=4, alarm="sos"),
            id="0x16: SOS, told twice",
        ),
        pytest.param(
            short(f"26 {PLACE} 0A {WIDE_CELL} 80 03 02 06 02"),
            fix({"status": 128, "charge": False, "blocked": True}, ignition=False, battery_percent=50, gsm=2, alarm="overspeed"),
            id="0x26: wide network code, oil cut",
        ),
        pytest.param(
            short(f"16 {PLACE} 00 {'00' * 45} 46 64 1B 14 02"),
            fix({"status": 70, "charge": True, "blocked": False}, ignition=True, battery_percent=100, gsm=27, alarm="door"),
            id="0x16: a row of zeros instead of a cell",
        ),
        pytest.param(
            short(f"16 {PLACE} 09 0191 02 5249 000027DB 41 3E 42 01 02"),
            fix({"status": 65, "charge": False, "blocked": False}, ignition=False, battery_percent=62, gsm=66, alarm="sos"),
            id="0x16 of SEEWORLD: the length doesn't count itself",
        ),
        pytest.param(
            short(f"27 {PLACE} 09 {CELL} 46 05 04 04 02 07"),
            fix({"status": 70, "charge": True, "blocked": False, "geofence": 7}, ignition=True, battery_percent=83, gsm=4,
                alarm="geofenceEnter"),
            id="0x27: which fence",
        ),
        pytest.param(
            short(f"A4 {PLACE} 11 8191 0002 00005249 00000000000027DB 42 05 04 07 12 FF"),
            fix({"status": 66, "charge": False, "blocked": False, "geofence": 255}, ignition=True, battery_percent=83, gsm=4,
                alarm="jamming"),
            id="0xA4: an alarm code that goes on in the language",
        ),
        pytest.param(
            short(f"32 {PLACE} 0A 0191 0002 5249 000027DB 52 06 04 02 02 0352"),
            fix({"status": 82, "charge": False, "blocked": False}, ignition=True, battery_percent=100, gsm=4, alarm="powerCut",
                altitude_m=850),
            id="0x32 of SL4X: altitude",
        ),
        pytest.param(
            short(f"39 {PLACE} 02 {CELL} 11 46 06 04 02 02 0018 02 0187 006A 01 58"),
            fix({"status": 70, "charge": True, "blocked": False}, ignition=True, battery_percent=88, battery_v=3.91, gsm=4,
                alarm="powerCut"),
            id="0x39: an alarm with modules",
        ),
        pytest.param(
            short("95 180305070809 04A3E590 08417EB0 145A 91 0001"),
            {**fix({"event": 145, "eventData": 1}, alarm="hardBraking")} | {"speed_kmh": ...} | {"satellites": ...},
            id="0x95 of JC100: place without speed",
        ),
        pytest.param(
            short("95 FFFF 01 180305070809 CB 04A3E590 08417EB0 145A 003D 007D 92 0000 612E6D7034"),
            fix({"event": 146, "eventData": 0, "eventFiles": "a.mp4"}, power_v=12.5, alarm="hardCornering"),
            id="0x95 of JC400: files",
        ),
        pytest.param(
            long("70 0033 0012 65E6C4D9 0B 0352 04A3E590 08417EB0 3D 145A 0018 0002 0180 0028 0001 0C 0034 0006 21 00000000 00"
                 "002E 0004 0001E240 002A 0001 11 0003 000A 8999701560378145236F"),
            fix({"hdop": 1.2, "event": 33, "door": True, "tamper": True, "iccid": "8999701560378145236"}, altitude_m=850,
                battery_v=3.84, odometer_m=123456, alarm="powerCut"),
            id="0x70: modules with a place",
        ),
        pytest.param(
            long(f"32 180305070809 0C {PLACE[13:]} 09 {CELL} 16 03 010203 00 A5 00"),
            fix({"status": 165}, gsm=22),
            id="0x32 long of AZ735: each part with its length",
        ),
        pytest.param(
            long("21 00000000 01" + b"Current position!Lat:S43.250000,Lon:W76.950000,Course:90.00,Speed:61.0000,"
                 b"DateTime:2024-03-05 07:08:09".hex()),
            {**fix(), "latitude": -43.25, "longitude": -76.95} | {"satellites": ...},
            id="0x21: a place in words",
        ),
    ],
)  # fmt: skip
def test_a_location_is_read_whole(raw: bytes, expected: dict[str, Any]) -> None:
    assert rows(raw) == [{name: value for name, value in expected.items() if value is not ...}]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            short("13 46 5A 04 00 02"),
            state({"status": 70, "charge": True, "blocked": False}, ignition=True, battery_percent=90, gsm=4),
            id="0x13: battery in percent",
        ),
        pytest.param(
            short("13 46 FF 04 00 02"),
            state({"status": 70, "charge": True, "blocked": False}, ignition=True, gsm=4),
            id="0x13: no such battery",
        ),
        pytest.param(
            short("13 02 8C39 01 02 2E 04 016F 00 0000 FFF6"),
            state({"status": 2, "charge": False, "blocked": False, "temp1": -1.0}, ignition=True, satellites=4, gsm=25,
                  alarm="sos", battery_percent=46, power_v=3.67),
            id="0x13 of OBD6: satellites, temperature",
        ),
        pytest.param(
            short("13 30 802B 00 00 06 42 014F 00 0872 0000 802B"), state({"temp1": 4.3}, battery_percent=6), id="0x13: warm"
        ),
        pytest.param(
            short("23 C3 0131 03 0001"),
            state({"armed": True, "charge": False}, ignition=True, battery_v=3.05, gsm=3),
            id="0x23: GK310",
        ),
        pytest.param(
            short("36 46 04 03 00 02 006A 01 48 0018 02 0183 0032 01 01"),
            state({"status": 70, "charge": True, "blocked": False, "startupStatus": 1}, ignition=True, battery_percent=72,
                  battery_v=3.87, gsm=3),
            id="0x36: modules",
        ),
        pytest.param(
            short(f"19 {CELL} 42 04 04 19 02"),
            state({"status": 66, "charge": False, "blocked": False, "network": {"cellTowers": [tower()]}}, ignition=True,
                  battery_percent=66, gsm=4, alarm="lowBattery"),
            id="0x19: a cell and a flat battery",
        ),
        pytest.param(
            short(f"A5 {CELL_4G} 02 05 04 13 00"),
            state({"status": 2, "charge": False, "blocked": False, "network": {"cellTowers": [tower()]}}, ignition=True,
                  battery_percent=83, gsm=4, alarm="tampering"),
            id="0xA5: opened",
        ),
        pytest.param(
            short("28 180305070809 0191 02" + "52490027DB 3E" + "0000000000 00" * 6 + "FF 0002"),
            state({"network": {"cellTowers": [tower(-62)]}}, "2024-03-05T07:08:09.000Z"),
            id="0x28: seven cells, one of them seen",
        ),
        pytest.param(
            short("2C 180305070809 0191 02" + "52490027DB 3E" + "0000000000 00" * 6 + "FF 01 0A5B7C33E104 2D"),
            state({"network": {"cellTowers": [tower(-62)], "wifiAccessPoints": [{"macAddress": "0a:5b:7c:33:e1:04",
                                                                                 "signalStrength": 45}]}},
                  "2024-03-05T07:08:09.000Z"),
            id="0x2C: cells and Wi-Fi",
        ),
        pytest.param(
            short("A1 180305070809 0191 02" + "00005249 00000000000027DB 3E" + "00" * 78 + "FF 0002"),
            state({"network": {"cellTowers": [tower(-62)]}}, "2024-03-05T07:08:09.000Z"),
            id="0xA1: 4G cells",
        ),
        pytest.param(
            bytes.fromhex("787801 69 240305070809 0A5B7C33E104 2D 01 0191 02 5249 27DB 5A 0D0A"),
            state({"network": {"cellTowers": [tower(90)], "wifiAccessPoints": [{"macAddress": "0a:5b:7c:33:e1:04",
                                                                                "signalStrength": 45}]}},
                  "2024-03-05T07:08:09.000Z"),
            id="0x69: neither serial nor checksum, a decimal date",
        ),
        pytest.param(
            short("F3 180305070809 01 0000 0A5B7C33E104"),
            state({"network": {"wifiAccessPoints": [{"macAddress": "0a:5b:7c:33:e1:04"}]}}, "2024-03-05T07:08:09.000Z"),
            id="0xF3",
        ),
        pytest.param(
            short("95 180305070809 01 0001"),
            state({"event": 1, "eventData": 1}, "2024-03-05T07:08:09.000Z", alarm="general"),
            id="0x95: an alarm without a place",
        ),
        pytest.param(
            short("15 0F 00000000" + b"DYD=Success".hex() + "0002"),
            state({"result": "DYD=Success"}),
            id="0x15: a command's answer",
        ),
        pytest.param(
            short("15 00 00000000" + b"DYD=Success!".hex() + "0000000001"), state({"result": "DYD=Success!"}), id="0x15: zeros"
        ),
        pytest.param(
            short("15 20 00000000" + b"<ICCID:89882390000097302650>".hex() + "0002"),
            state({"iccid": "89882390000097302650"}),
            id="0x15: a SIM card",
        ),
        pytest.param(
            long("21 00000000 02" + "Готово".encode("utf-16-be").hex()), state({"result": "Готово"}), id="0x21: UTF-16"
        ),
        pytest.param(short("94 04EB"), state(power_v=12.59), id="0x94 short: supply"),
        pytest.param(long("94 00 04EB"), state({"adc1": 12.59}), id="0x94 00: voltage"),
        pytest.param(
            long("94 04" + b"ALM1=45;STA1=40;DYD=01;SOS=,,;ICCID=8997103010008959042F;MODE=MODE,1,180".hex()),
            state({"alarm1Status": 69, "otherStatus": 64, "engineStatus": 1, "iccid": "8997103010008959042"}),
            id="0x94 04: settings",
        ),
        pytest.param(long("94 05 05"), state({"door": True, "io1": True}), id="0x94 05: door"),
        pytest.param(
            long("94 05 180305070809 01"), state({"door": True, "io1": False}, "2024-03-05T07:08:09.000Z"), id="0x94 05: dated"
        ),
        pytest.param(
            long(f"94 0A 0{IMEI} 0401021357924680 8999701560378145236F"), state({"iccid": "8999701560378145236"}), id="0x94 0A"
        ),
        pytest.param(long("94 0B 01"), state({"networkTechnology": "4G"}), id="0x94 0B: network"),
        pytest.param(long("94 0B 04EB"), state(power_v=12.59), id="0x94 0B: supply"),
        pytest.param(
            long("94 0D 180305070809" + b"!AIOIL,01,014.710,021.300,377B,0250,015.260,0,00,5C".hex()),
            state({"temp1": 21.3, "fuel": 15.26}, "2024-03-05T07:08:09.000Z"),
            id="0x94 0D: fuel sensor",
        ),
        pytest.param(long("94 1B 02 08 4277EFEF 35 03"), state({"driverUniqueId": "4277efef"}), id="0x94 1B: card"),
        pytest.param(long("94 1B" + b"RFID:7\r\n".hex()), state({"serial": "RFID:7"}), id="0x94 1B: words"),
        pytest.param(long("94 1E FFFFFF9C 000002EE"), state({"temp1": -10.0, "humidity": 75.0}), id="0x94 1E: climate"),
        pytest.param(long("9B 03" + b"28.3\r\n".hex()), state({"result": "28.3"}), id="0x9B: words"),
        pytest.param(long("9B 03 80D600"), state({"result": "80d600"}), id="0x9B: bytes"),
        pytest.param(
            long("8C 180305070809 01" + b"283=00000064,363=00002134,2D3=00002a30,493=00000064,4A=VIN7,zz,".hex() + "00" * 12),
            state({"rpm": 85.0, "coolantTemp": 108.0, "vin": "VIN7"}, "2024-03-05T07:08:09.000Z", ignition=True, odometer_m=1000,
                  engine_hours_s=3600) | {"attributes": {"rpm": 85.0, "coolantTemp": 108.0, "vin": "VIN7"}},
            id="0x8C: OBD",
        ),
        pytest.param(
            long("F1 65E6C4D9 0001 01 02 0002 01 01 0004 01 01 0005 02 04E2 0007 01 01 000B 02 00FA 1000 01 00"),
            state({"armed": True, "charge": True, "batteryTemp": 25.0}, "2024-03-05T07:08:09.000Z", motion=True, ignition=True,
                  power_v=12.5),
            id="0xF1: states",
        ),
        pytest.param(
            long("F2 65E6C4D9 000C 0A 47 01 0010 010000000035 000A 000C 01 4A6F10B2D387 02 07 03 4142 0001 01 FF 0002 00 01 FF"),
            state({"externalBatteryLevel": 71, "externalBatteryCharge": True, "externalBatteryCycles": 16, "mac": "4a6f10b2d387",
                   "event": 2, "eventData": 7, "dataType": 3, "dataDetails": "4142"}, "2024-03-05T07:08:09.000Z"),
            id="0xF2: what hangs on the tracker",
        ),
        pytest.param(
            long("70 002C 0004 65E6C4D9 007F 000E 4A6F10B2D391 0B54 5A 00D7 002D 07 0011 000A 0191 0002 5249 0027DB 11"),
            state({"tag1Id": "4a6f10b2d391", "tag1Battery": 2.9, "tag1BatteryLevel": 90, "tag1Temp": 21.5, "tag1Humidity": 45,
                   "tag1Status": 7, "network": {"cellTowers": [tower(17)]}}, "2024-03-05T07:08:09.000Z"),
            id="0x70: a tag, no place",
        ),
        pytest.param(
            long("33 180305070809 00 00 00 00 A0 00"),
            state({"status": 160, "armed": True}, "2024-03-05T07:08:09.000Z"),
            id="0x33 long of AZ735: armed",
        ),
        pytest.param(
            short("B2 180305070809 C4 4A6F10B2D391" + "11" * 16 + "0001 0002 012C 08"),
            state({"tagMac": "4a6f10b2d391", "tagUuid": "11" * 16, "tagMajor": 1, "tagMinor": 2, "tagBattery": 3.0, "clock": 2},
                  "2024-03-05T07:08:09.000Z", gsm=-60),
            id="0xB2: clocked in by Bluetooth",
        ),
    ],
)  # fmt: skip
def test_a_report_without_a_place_is_read_whole(raw: bytes, expected: dict[str, Any]) -> None:
    assert rows(raw) == [expected]


def test_a_battery_tells_of_its_cells() -> None:
    cells = "".join(f"{3300 + number:04X}" for number in range(14))
    pack = short(
        f"40 0000000000000001 65E6C4D9 5A 03E8 5B 0400 64 0BA5 0010 BB80 0007 {cells} 0001 0002"
        f"{b'BAR'.ljust(16).hex()} 0003 {b'MAKER'.ljust(16).hex()} 00000004 00000005 00000006"
    )
    (row,) = rows(pack)
    assert (row["time"], row["battery_v"]) == ("2024-03-05T07:08:09.000Z", 48)
    assert row["attributes"] == {
        "relativeCapacity": 90, "remainingCapacity": 1000, "absoluteCapacity": 91, "fullCapacity": 1024, "batteryHealth": 100,
        "batteryTemp": 25.0, "current": 16, "cycleIndex": 7, "currentChargeInterval": 1, "maxChargeInterval": 2, "barcode": "BAR",
        "batteryVersion": 3, "manufacturer": "MAKER", "batteryStatus": 4, "controllerStatus": 5, "controllerFault": 6,
        **{f"batteryCell{number + 1}": (3300 + number) / 1000 for number in range(14)},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        pytest.param(0x3202, 8 * 3600, id="8 h east"),
        pytest.param(0x1F40 | 0x8, -5 * 3600, id="5 h west"),
        pytest.param(0x2260 | 0x2, (5 * 60 + 50) * 60, id="5:50, not on maps but on the wire"),
        pytest.param(0x0001, 0, id="Greenwich"),
        pytest.param(0xFFF0, 0, id="nowhere on Earth"),
    ],
)
def test_the_login_tells_the_zone(word: int, seconds: int) -> None:
    assert zone_of(word) == seconds


@pytest.mark.parametrize("raw", [short(f"22 {PLACE} {CELL} 000000"), short(f"16 {PLACE} 09 {CELL} 46 06 04 00 02")])
def test_a_zone_makes_the_tracker_s_times_local(raw: bytes) -> None:
    assert [row["time"] for row in rows(raw, "3200")] == ["2024-03-04T23:08:09.000Z"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(
            short("22 180D05070809 CB 04A3E590 08417EB0 3D 145A" + CELL), "no such date: 2024-13-05 07:08:09", id="month"
        ),
        pytest.param(short("22 17021D070809 CB 04A3E590 08417EB0 3D 145A" + CELL), "no such date: 2023-02-29 07:08:09", id="day"),
        pytest.param(short("16 180305180809 CB 04A3E590 08417EB0 3D 145A"), "no such date: 2024-03-05 24:08:09", id="hour"),
        pytest.param(
            short("22 180305070809 CB 0BEBC200 08417EB0 3D 145A" + CELL), "no such place: 111.11111, 76.95000", id="place"
        ),
        pytest.param(short("12"), "the message ends inside a field", id="nothing"),
        pytest.param(short("FE 00"), "no manual of ours knows the kind 0xfe", id="unknown kind"),
        pytest.param(long("94 77 00"), "no manual of ours knows the information 0x77", id="unknown information"),
        pytest.param(long("94 0D" + b"!AIOIL,broken".hex()), "not the words of a fuel sensor", id="sensor"),
        pytest.param(
            long("8C 180305070809 01" + (b"283=" + b"f" * 4000).hex() + "00" * 12),
            "more than eight hexadecimal digits: ffffffffffffffff…",
            id="a number that no tracker counts to",
        ),
        pytest.param(short("35 00"), "a piece of a picture; pictures are not taken in", id="picture"),
    ],
)
def test_what_can_not_be_read_says_why(raw: bytes, reason: str) -> None:
    decoded = decode(logged_in().receive(raw).frames)
    assert (len(decoded.columns), [bad.reason for bad in decoded.unreadable]) == (0, [reason])


def test_a_location_with_a_cell_of_four_bytes() -> None:
    assert rows(short(f"25 {PLACE} 0191 02 5249 000027DB 01 02 01")) == [fix({"event": 2, "archive": True}, ignition=True)]


@pytest.mark.parametrize(
    "content", [f"16 {PLACE}", f"27 {PLACE} 09 {CELL}", f"37 {PLACE} {CELL} 01", f"38 {PLACE} 00", f"A3 {PLACE} 46"]
)
def test_a_place_outlives_what_is_left_out_behind_it(content: str) -> None:
    (row,) = rows(short(content))
    assert (row["time"], row["latitude"], row["attributes"]["incomplete"]) == ("2024-03-05T07:08:09.000Z", 43.25, True)
