"""Teltonika: the maker's own examples with all their values, packets that our simulator builds, and laws."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import ANSWER, BadFrame, Frame, Received, Session
from protocols.teltonika import CODEC
from protocols.teltonika.framing import LARGEST_BODY_BYTES, Datagram, Stream
from telematics.simulator import teltonika as simulator
from telematics.simulator.fix import Fix

SHARED = Path(__file__).resolve().parents[3] / "shared"
IMEI = "352093081452251"
START = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
FIX = Fix(START, 43.238949, 76.889709, 787.0, 54.0, 271.0, 14, True, 13.91, 87, 5, 61383)
TWELVE = {"priority": 0, "event": 0, "io69": 1, "sleepMode": 0, "pdop": 1.4, "hdop": 0.8, "operator": 40101}


def frames_of(wire: bytes, session: Session | None = None) -> list[Frame]:
    received = (session or Stream()).receive(wire)
    assert not received.rejects
    return received.frames


def rows_of(frames: Sequence[Frame]) -> list[dict[str, Any]]:
    decoded = CODEC.decode(frames)
    assert not decoded.unreadable
    return [nearly(row) for row in decoded.columns.rows()]


def nearly(row: dict[str, Any]) -> dict[str, Any]:
    """float32 columns back to the digits that a tracker sends."""
    return {name: round(value, 7) if name.endswith("tude") else value for name, value in row.items()} | {
        name: round(row[name], 3) for name in ("power_v", "battery_v", "fuel_l") if name in row
    }


def walk(steps: int, *, alarm_at: int | None = None, **changes: Any) -> list[Fix]:
    fixes = [
        Fix(START + timedelta(seconds=10 * step), 43.2 + step / 1000, 76.9, 700.0 + step, 40.0, 90.0, odometer_m=100 * step)
        for step in range(steps)
    ]
    if alarm_at is not None:
        fixes[alarm_at] = Fix(fixes[alarm_at].time, 43.2, 76.9, alarm="hardBraking")
    return fixes


NOWHERE = {"latitude": 0.0, "longitude": 0.0, "altitude_m": 0.0, "speed_kmh": 0.0, "course_deg": 0.0, "satellites": 0.0}


@pytest.mark.parametrize(
    ("wire", "ack", "rows"),
    [
        pytest.param(
            "000000000000003608010000016B40D8EA30010000000000000000000000000000000105021503010101425E0F01F10000601A014E0000000000000000"
            "010000C7CF",
            "00000001",
            [
                {"time": "2019-06-10T10:04:46.000Z", "valid": False, **NOWHERE, "gsm": 3.0, "power_v": 24.079}
                | {"attributes": {"priority": 1, "event": 1, "in1": True, "operator": 24602}}
            ],
            id="codec 8, the maker's first example: no fix, no iButton",
        ),
        pytest.param(
            "000000000000004308020000016B40D57B480100000000000000000000000000000001010101000000000000016B40D5C1980100000000000000000000"
            "00000000000101010101000000020000252C",
            "00000002",
            [
                {"time": "2019-06-10T10:01:01.000Z", "valid": False, **NOWHERE}
                | {"attributes": {"priority": 1, "event": 1, "in1": False}},
                {"time": "2019-06-10T10:01:19.000Z", "valid": False, **NOWHERE}
                | {"attributes": {"priority": 1, "event": 1, "in1": True}},
            ],
            id="codec 8, the maker's third example: two records",
        ),
        pytest.param(
            "000000000000004A8E010000016B412CEE000100000000000000000000000000000000010005000100010100010011001D00010010015E2C880002000B"
            "000000003544C87A000E000000001DD7E06A00000100002994",
            "00000001",
            [
                {"time": "2019-06-10T11:36:32.000Z", "valid": False, **NOWHERE, "odometer_m": 22949000.0}
                | {"attributes": {"priority": 1, "event": 1, "in1": True, "axisX": 29, "iccid": "893700218", "io14": 500686954}}
            ],
            id="codec 8 extended, the maker's example",
        ),
        pytest.param(
            "000000000000005F10020000016BDBC7833000000000000000000000000000000000000B05040200010000030002000B00270042563A00000000016BDB"
            "C7871800000000000000000000000000000000000B05040200010000030002000B00260042563A00000200005FB3",
            "00000002",
            [
                {"time": "2019-07-10T12:06:54.000Z", "valid": False, **NOWHERE, "power_v": 22.074}
                | {"attributes": {"priority": 0, "event": 11, "generationType": 5, "in1": False, "in3": False, "adc3": 0.039}},
                {"time": "2019-07-10T12:06:55.000Z", "valid": False, **NOWHERE, "power_v": 22.074}
                | {"attributes": {"priority": 0, "event": 11, "generationType": 5, "in1": False, "in3": False, "adc3": 0.038}},
            ],
            id="codec 16, the maker's example",
        ),
        pytest.param(
            "00000000000000A98E020000017357633410000F0DC39B2095964A00AC00F80B00000000000B000500F00100150400C800004501007156000500B50005"
            "00B600040018000000430FE00044011B000100F10000601B000000000000017357633BE1000F0DC39B2095964A00AC00F80B0000018100010000000000"
            "00000000010181002D11213102030405060708090A0B0C0D0E0F104545010ABC212102030405060708090A0B0C0D0E0F10020B010AAD020000BF30",
            "00000002",
            [
                {"time": "2020-07-16T11:29:46.000Z", "valid": True, "latitude": 54.667425, "longitude": 25.2560283}
                | {"altitude_m": 172.0, "speed_kmh": 0.0, "course_deg": 248.0, "satellites": 11.0, "motion": True, "gsm": 4.0}
                | {"battery_v": 4.064, "battery_percent": 86.0}
                | {
                    "attributes": {"priority": 0, "event": 0, "sleepMode": 0, "io69": 1, "pdop": 0.5, "hdop": 0.4}
                    | {"io24": 0, "batteryCurrent": 0.283, "operator": 24603}
                },
                {"time": "2020-07-16T11:29:48.001Z", "valid": True, "latitude": 54.667425, "longitude": 25.2560283}
                | {"altitude_m": 172.0, "speed_kmh": 0.0, "course_deg": 248.0, "satellites": 11.0}
                | {
                    "attributes": {"priority": 0, "event": 385}
                    | {"beacon1Uuid": "3102030405060708090a0b0c0d0e0f10", "beacon1Major": 17733, "beacon1Minor": 266}
                    | {"beacon1Rssi": -68, "beacon2Uuid": "2102030405060708090a0b0c0d0e0f10", "beacon2Major": 523}
                    | {"beacon2Minor": 266, "beacon2Rssi": -83}
                },
            ],
            id="codec 8 extended, the maker's beacon example",
        ),
        pytest.param(
            "00000000000000370C01060000002F4449313A31204449323A30204449333A302041494E313A302041494E323A313639323420444F313A3020444F323A"
            "3101000066E3",
            "",
            [
                {"time": None, "valid": False, "no_fix": True}
                | {"attributes": {"type": 6, "result": "DI1:1 DI2:0 DI3:0 AIN1:0 AIN2:16924 DO1:0 DO2:1"}}
            ],
            id="codec 12, the maker's example: answer to getio",
        ),
        pytest.param(
            "000000000000001b0f010b00000013654b65a4012345678912345648656c6c6f210a01000093d6",
            "",
            [
                {
                    "time": "2023-11-08T10:40:36.000Z",
                    "valid": False,
                    "no_fix": True,
                    "attributes": {"type": 11, "result": "Hello!"},
                }
            ],
            id="codec 15, the maker's example: from the serial port",
        ),
    ],
)
def test_the_makers_examples_are_read_whole(wire: str, ack: str, rows: list[dict[str, Any]]) -> None:
    frames = frames_of(bytes.fromhex(wire))
    assert rows_of(frames) == rows
    assert [frame.ack.hex() for frame in frames] == [ack]


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        pytest.param(
            "0c01060000000a0002040002002a617bff01",
            [{"type": 6, "result": "0002040002002a617bff"}],
            id="an answer that is no text is told in hex",
        ),
        pytest.param(
            "0c02 06 00000002 6f6b 06 00000001 21 02",
            [{"type": 6, "result": "ok"}, {"type": 6, "result": "!"}],
            id="two answers in a packet",
        ),
        pytest.param("0c01 0d 00000009 01 0000002a 00001000 01", [{"type": 13, "photoId": 42, "photoBytes": 4096}], id="a photo"),
        pytest.param("0c01 0d 00000001 00 01", [], id="a camera with nothing to tell"),
        pytest.param("0e01 11 00000008 0352093081452468 01", [{"type": 17, "result": "not mine"}], id="codec 14, another's IMEI"),
        pytest.param("0e01 06 0000000a 0352093081452251 6f6b 01", [{"type": 6, "result": "ok"}], id="codec 14, an answer"),
        pytest.param(
            "0d01 06 00000012 654b65a4 " + b"GTSL|6|1|0|77|".hex() + "01",
            [{"type": 6, "driverUniqueId": "77"}],
            id="codec 13, a driver's card",
        ),
        pytest.param(
            "0c01 06 00000045 " + b"UUUUww05.7;07.2;00.0;00.0;00.0;00.0;00.0;00.0;02.4;00.0;12.9;00.0;SSS".hex() + "01",
            [
                {"type": 6, "axle1": 5.7, "axle2": 7.2, **{f"axle{number}": 0.0 for number in range(3, 9)}}
                | {"loadTruck": 2.4, "loadTrailer": 0.0, "totalTruck": 12.9, "totalTrailer": 0.0}
            ],
            id="an axle scale",
        ),
    ],
)
def test_messages(body: str, rows: list[dict[str, Any]]) -> None:
    told = rows_of(frames_of(simulator.framed(bytes.fromhex(body))))
    assert [row["attributes"] for row in told] == rows


@pytest.mark.parametrize(
    ("size", "avl_id", "value", "told"),
    [
        (1, 2, 1, {"attributes": {"in2": True}}),
        (1, 21, 5, {"gsm": 5.0}),
        (1, 113, 64, {"battery_percent": 64.0}),
        (4, 113, 29525, {"attributes": {"io113": 29525}}),  # something else in the CAN trackers of the FM3
        (1, 236, 1, {"alarm": "general", "attributes": {"io236": 1}}),
        (1, 246, 1, {"alarm": "tow", "attributes": {"io246": 1}}),
        (1, 247, 5, {"alarm": "accident", "attributes": {"io247": 5}}),
        (1, 247, 0, {"attributes": {"io247": 0}}),
        (1, 249, 1, {"alarm": "jamming", "attributes": {"io249": 1}}),
        (1, 251, 1, {"alarm": "idle", "attributes": {"io251": 1}}),
        (1, 252, 1, {"alarm": "powerCut", "attributes": {"io252": 1}}),
        (1, 253, 3, {"alarm": "hardCornering", "attributes": {"io253": 3}}),
        (1, 253, 9, {"attributes": {"io253": 9}}),
        (1, 255, 97, {"alarm": "overspeed", "attributes": {"io255": 97}}),
        (1, 175, 1, {"alarm": "geofenceEnter", "attributes": {"io175": 1}}),
        (1, 155, 0, {"alarm": "geofenceExit", "attributes": {"io155": 0}}),
        (1, 32, 0xF6, {"attributes": {"coolantTemp": -10}}),
        (2, 9, 12345, {"attributes": {"adc1": 12.345}}),
        (2, 17, 0xFFE5, {"attributes": {"axisX": -27}}),
        (2, 25, 0xFE0C, {"attributes": {"bleTemp1": -5.0}}),
        (2, 84, 405, {"fuel_l": 40.5}),
        (2, 10800, 2137, {"attributes": {"eyeTemp1": 21.37}}),
        (2, 10649, 0xFFE5, {"attributes": {"tempProbe6": -0.27}}),
        (2, 43, 57, {"attributes": {"milDistance": 57}}),
        (4, 72, 0xFFFFFFC9, {"attributes": {"temp1": -5.5}}),
        (4, 72, 3000, {}),  # not connected
        (4, 83, 1234, {"attributes": {"fuelUsed": 123.4}}),
        (4, 87, 0xFFFFFFFF, {"attributes": {"obdOdometer": 4294967295}}),
        (4, 102, 90, {"engine_hours_s": 5400.0}),
        (4, 107, 1234, {"attributes": {"fuelUsed": 123.4}}),
        (4, 389, 81234, {"attributes": {"obdOdometer": 81234000}}),
        (4, 40000, 7, {"attributes": {"io40000": 7}}),
        (8, 11, 8937001234567890123, {"attributes": {"iccid": "8937001234567890123"}}),
        (8, 78, 0xA4285D3E00170002, {"attributes": {"driverUniqueId": "020017003E5D28A4"}}),
        (8, 78, 0, {}),
        (8, 40001, 0xFFFFFFFFFFFFFFFF, {"attributes": {"io40001": 18446744073709551615}}),
    ],
)
def test_elements(size: int, avl_id: int, value: int, told: dict[str, Any]) -> None:
    raw = simulator.raw_record(FIX, {width: {avl_id: value} if width == size else {} for width in (1, 2, 4, 8)})
    [row] = rows_of(frames_of(simulator.framed(b"\x8e\x01" + raw + b"\x01")))
    place = {"time", "valid", "latitude", "longitude", "altitude_m", "speed_kmh", "course_deg", "satellites"}
    attributes = {name: found for name, found in row.pop("attributes").items() if name not in ("priority", "event")}
    found = {name: found for name, found in row.items() if name not in place} | ({"attributes": attributes} if attributes else {})
    assert found == told


SENSOR = "05 04 43616600 0f 06 4a6f10b2d391 06 02 ff38 07 01 34 0d 01 00 0e 02 0c1c 00 01 c4"


@pytest.mark.parametrize(
    ("avl_id", "value", "told"),
    [
        pytest.param(256, b"1M8GDM9AXKP042788".hex(), {"vin": "1M8GDM9AXKP042788"}, id="VIN"),
        pytest.param(281, b"P0101,P0300".hex(), {"dtcs": "P0101 P0300"}, id="fault codes"),
        pytest.param(257, "00ff", {"io257": "00ff"}, id="crash trace"),
        pytest.param(
            11317,
            "01 1f" + SENSOR,
            {"tag1Name": "Caf", "tag1Mac": "4a6f10b2d391", "tag1Temp": -2.0, "tag1Humidity": 52}
            | {"tag1LowBattery": 0, "tag1Battery": 3100, "tag1Rssi": -60},
            id="EYE sensor",
        ),
        pytest.param(
            548,
            "01 0c 00 01 e5 01 02 cde3 02 03 80 0a 00",
            {"tag1Rssi": -27, "tag1Id": "cde3", "tag1Voltage": 2100},
            id="beacon with its voltage",
        ),
        pytest.param(
            10829,
            "01 11 08 01 01 09 01 00 0a 02 0102 0b 01 fb 0c 02 ffa6",
            {"tag1Magnet": True, "tag1Motion": False, "tag1MotionCount": 258, "tag1Pitch": -5, "tag1AngleRoll": -90},
            id="a sensor that is moved",
        ),
        pytest.param(325, b"1M8GDM9AXKP042788".hex(), {"vin": "1M8GDM9AXKP042788"}, id="VIN of the CAN adapter"),
        pytest.param(10829, "01 03 63 01 07", {"tag1Param99": "07"}, id="a parameter of a later firmware"),
        pytest.param(
            385,
            "11 07 0102030405060708090a 0b0c0d0e0f10 c4 0136 0015",
            {"beacon1Namespace": "0102030405060708090a", "beacon1Instance": "0b0c0d0e0f10"}
            | {"beacon1Rssi": -60, "beacon1Battery": 3.1, "beacon1Temp": 21},
            id="Eddystone",
        ),
        pytest.param(385, "11 21 0102", {"io385": "11210102"}, id="a beacon that is cut stays hex"),
        pytest.param(548, "01 ff 00", {"io548": "01ff00"}, id="a sensor that is cut stays hex"),
    ],
)
def test_elements_of_any_size(avl_id: int, value: str, told: dict[str, Any]) -> None:
    raw = simulator.raw_record(FIX, {1: {}, 2: {}, 4: {}, 8: {}}, any_size={avl_id: bytes.fromhex(value)})
    [row] = rows_of(frames_of(simulator.framed(b"\x8e\x01" + raw + b"\x01")))
    assert row["attributes"] == {"priority": 0, "event": 0, **told}


def test_sixteen_byte_elements_of_codec_8_are_seen_by_the_length() -> None:
    raw = simulator.raw_record(FIX, {1: {21: 3}, 2: {}, 4: {}, 8: {}, 16: {107: 0xFEED}}, simulator.CODEC_8)
    [row] = rows_of(frames_of(simulator.framed(b"\x08\x01" + raw + b"\x01")))
    assert row["gsm"] == 3
    assert row["attributes"] == {"priority": 0, "event": 0, "io107": "0000000000000000000000000000feed"}


def test_codec_7() -> None:
    place = bytes.fromhex("42310000 41940000")  # 44.25, 18.5
    first = bytes.fromhex("50c3a1f3 03 1f") + place + bytes.fromhex("008d 40 02 09 01 f0 01")
    second = bytes.fromhex("50c3a623 0f c0 17 000062a5 03 0157 de01 f400 01 430fb4 01 050000004a")
    rows = rows_of(frames_of(simulator.framed(b"\x07\x02" + first + second + b"\x02")))
    assert rows == [
        {"time": "2015-11-30T06:47:15.000Z", "valid": True, "latitude": 44.25, "longitude": 18.5, "altitude_m": 141.0}
        | {"speed_kmh": 2.0, "course_deg": 90.0, "satellites": 9.0, "motion": True, "attributes": {}},
        {"time": "2015-11-30T07:05:07.000Z", "valid": False, "no_fix": True, "gsm": 23.0, "battery_percent": 87.0}
        | {"battery_v": 4.02, "alarm": "sos", "attributes": {"operator": 25253, "roaming": False, "uptime": 74}},
    ]


@pytest.mark.parametrize("codec", [simulator.CODEC_8, simulator.CODEC_8E, simulator.CODEC_16])
def test_what_the_simulator_builds_is_read_back(codec: int) -> None:
    extra = {"generationType": 7} if codec == simulator.CODEC_16 else {}
    assert rows_of(frames_of(simulator.packets([FIX], codec))) == [
        {"time": "2026-03-01T08:30:00.000Z", "valid": True, "latitude": 43.238949, "longitude": 76.889709, "altitude_m": 787.0}
        | {"speed_kmh": 54.0, "course_deg": 271.0, "satellites": 14.0, "ignition": True, "motion": True, "power_v": 13.91}
        | {"battery_v": 4.096, "battery_percent": 87.0, "odometer_m": 61383.0, "gsm": 5.0, "attributes": TWELVE | extra}
    ]


@pytest.mark.parametrize("alarm", sorted(simulator.ALARMS))
def test_alarms_of_the_simulator_are_read_back(alarm: str) -> None:
    fix = Fix(START, 43.2, 76.9, alarm=alarm)
    [row] = rows_of(frames_of(simulator.packets([fix])))
    assert row["alarm"] == ("general" if alarm == "sos" else alarm)


def test_several_thousand_records_in_one_read() -> None:
    fixes = walk(4000)
    frames = frames_of(simulator.packets(fixes))
    assert [int.from_bytes(frame.ack, "big") for frame in frames] == [255] * 15 + [175]
    columns = CODEC.decode(frames).columns
    assert columns.odometer_m.tolist() == [100.0 * step for step in range(4000)]


def test_login_is_answered_and_frames_wait_for_it() -> None:
    tracker, session = simulator.Tracker(IMEI), Stream()
    received = session.receive(tracker.hello() + tracker.report(walk(3)))
    assert (received.login, received.frames, received.reply) == (IMEI, [], b"")
    admitted = session.admit(True)
    assert admitted.reply == b"\x01"
    assert [frame.ack for frame in admitted.frames] == [b"\0\0\0\3"]
    assert tracker.receive(admitted.reply + admitted.frames[0].ack) == 3
    assert tracker.accepted is True


def test_a_simulated_tracker_hears_answers_however_they_are_cut() -> None:
    tracker = simulator.Tracker(IMEI)
    assert [tracker.receive(bytes([byte])) for byte in b"\1\0\0\0\2\0\0\0\7"] == [0, 0, 0, 0, 2, 0, 0, 0, 7]
    refused = simulator.Tracker(IMEI)
    assert (refused.accepted, refused.receive(b"\0"), refused.accepted) == (None, 0, False)


def test_an_unknown_tracker_is_sent_away() -> None:
    session = Stream()
    session.receive(simulator.Tracker(IMEI).hello() + simulator.packets(walk(3)))
    refused = session.admit(False)
    assert (refused.reply, refused.close, refused.frames) == (b"\x00", True, [])
    assert session.receive(simulator.packets(walk(3))) == Received(close=True)


def test_a_wrong_checksum_is_set_aside_and_answered_with_none_kept_in_its_turn() -> None:
    good = simulator.packets(walk(2))
    bad = good[:-1] + bytes([good[-1] ^ 1])
    received = Stream().receive(good + bad + good)
    assert [(frame.kind, frame.ack.hex()) for frame in received.frames] == [
        ("records", "00000002"),
        (ANSWER, "00000000"),
        ("records", "00000002"),
    ]
    assert [(type(reject), reject.frame) for reject in received.rejects] == [(BadFrame, bad)]
    assert not received.close
    assert len(CODEC.decode(received.frames).columns) == 4


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        pytest.param("00000000 00100001 08", "a frame can't be 1048577 bytes long", id="absurd length"),
        pytest.param("00000000 00000000 08", "a frame can't be 0 bytes long", id="no length"),
        pytest.param("00000001 00000010", "neither a login nor a frame", id="no preamble"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n".hex(), "neither a login nor a frame", id="a browser"),
        pytest.param("0003 31 20 33", "a login without a name", id="a blank in the name"),
    ],
)
def test_what_no_manual_allows_ends_the_connection(wire: str, reason: str) -> None:
    received = Stream().receive(bytes.fromhex(wire))
    assert received.close
    assert [reject.reason for reject in received.rejects] == [reason]


def test_keep_alives_are_skipped() -> None:
    assert len(frames_of(b"\xff\xff" + simulator.packets(walk(1)) + b"\xff" + simulator.packets(walk(1)))) == 2


def test_the_makers_udp_example() -> None:
    session = Datagram()
    received = session.receive(
        bytes.fromhex(
            "003DCAFE0105000F33353230393330383634303336353508010000016B4F815B30010000000000000000000000000000000103021503010101425DBC0000"
            "01"
        )
    )
    assert received.login == "352093086403655"
    admitted = session.admit(True)
    assert [frame.ack.hex() for frame in admitted.frames] == ["0005cafe010501"]
    assert rows_of(admitted.frames) == [
        {"time": "2019-06-13T06:23:26.000Z", "valid": False, **NOWHERE, "gsm": 3.0, "power_v": 23.996}
        | {"attributes": {"priority": 1, "event": 1, "in1": True}}
    ]


def test_an_unknown_tracker_over_udp_gets_no_answer() -> None:
    session = Datagram()
    assert session.receive(simulator.datagram(IMEI, walk(2), number=9)).login == IMEI
    assert session.admit(False) == Received()


def test_a_datagram_that_names_nobody_is_explained_but_not_acknowledged() -> None:
    packet = simulator.packets(walk(1))
    received = Datagram().receive(packet[:4] + bytes(4) + packet[8:-4] + bytes(4))
    assert received.login is None
    assert received.rejects[0].reason.startswith("a packet without a tracker's name; length is 0; the checksum should be ")
    assert [frame.ack for frame in received.frames] == [b""]
    assert len(rows_of(received.frames)) == 1
    for cut in (
        packet[:-4],
        packet[:4] + (len(packet) - 11).to_bytes(4, "big") + packet[8:],
        packet[:4] + bytes(4) + packet[8:-4],
    ):
        assert len(rows_of(Datagram().receive(cut).frames)) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("080200000001", "the record at byte 2 is cut", id="records that are not there"),
        pytest.param("0801" + "00" * 30 + "02", "1 records in front, 2 behind", id="counts that differ"),
        pytest.param(
            "8e01" + "00" * 24 + "0000" + "0001" + "0000" * 4 + "0001 0100 0009 aa" + "01", "element 256 is cut", id="any size"
        ),
        pytest.param(
            "8e01" + "00" * 28 + "0100" + "000100" * 256 + "0000" * 4 + "01", "more elements than any tracker has", id="many"
        ),
        pytest.param("0c010600000009aa01", "message 1 of 1 is cut", id="a message that is cut"),
        pytest.param("0d0106000000020a0a01", "a message without its time or IMEI", id="a message without its time"),
        pytest.param("0701500000", "a record is cut", id="codec 7"),
        pytest.param("090100", "codec 09 is not known", id="unknown codec"),
    ],
)
def test_what_passes_its_checksum_but_cannot_be_read_is_told_apart(body: str, reason: str) -> None:
    good = Frame("records", simulator.body(walk(2)))
    decoded = CODEC.decode([good, Frame("records", bytes.fromhex(body)), good])
    assert [(bad.frame, bad.reason, bad.ack) for bad in decoded.unreadable] == [(1, reason, None)]
    assert decoded.columns.frame.tolist() == [0, 0, 2, 2]


# laws

FIXES = st.builds(
    Fix,
    time=st.integers(0, 2**40).map(lambda ms: datetime.fromtimestamp(ms // 1000, UTC)),
    latitude=st.integers(-900000000, 900000000).map(lambda units: units / 1e7),
    longitude=st.integers(-1800000000, 1800000000).map(lambda units: units / 1e7),
    altitude_m=st.integers(-500, 9000).map(float),
    speed_kmh=st.integers(0, 300).map(float),
    course_deg=st.integers(0, 360).map(float),
    satellites=st.integers(0, 40),
    ignition=st.booleans(),
    battery_percent=st.integers(0, 100),
    gsm=st.integers(0, 5),
    odometer_m=st.integers(0, 2**32 - 1),
    alarm=st.sampled_from([None, None, None, "tow", "hardBraking"]),
)
CODECS = st.sampled_from([simulator.CODEC_8, simulator.CODEC_8E, simulator.CODEC_16])
PACKETS = st.lists(st.builds(simulator.packets, st.lists(FIXES, min_size=1, max_size=6), CODECS), min_size=1, max_size=5)


def talk(session: Session, reads: Sequence[bytes]) -> list[Any]:
    """All that came of these reads: logins, frames and rejects."""
    told: list[Any] = []
    for data in reads:
        received = session.receive(data)
        while True:
            told += [*received.frames, *(reject.reason for reject in received.rejects)]
            if received.close:
                return [*told, "closed"]
            if received.login is None:
                break
            told.append(received.login)
            received = session.admit(True)
    return told


@settings(max_examples=50, deadline=None)
@given(packets=PACKETS, noise=st.binary(max_size=20), cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_any_cut_gives_the_same_frames(packets: list[bytes], noise: bytes, cuts: list[int]) -> None:
    wire = simulator.Tracker(IMEI).hello() + b"".join(packets) + b"\xff" + noise
    places = [0, *sorted(cut % len(wire) for cut in cuts), len(wire)]
    pieces = [wire[start:end] for start, end in pairwise(places)]
    assert talk(Stream(), pieces) == talk(Stream(), [wire]) == talk(Stream(), [wire[at : at + 1] for at in range(len(wire))])


@settings(max_examples=100, deadline=None)
@given(packets=PACKETS, flips=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 255)), max_size=8), sealed=st.booleans())
def test_damaged_bytes_give_frames_or_rejects(packets: list[bytes], flips: list[tuple[int, int]], sealed: bool) -> None:
    bodies = [bytearray(packet[8:-4]) for packet in packets]
    for at, mask in flips:
        some = bodies[at % len(bodies)]
        some[at // len(bodies) % len(some)] ^= mask
    frames = [Frame("records", bytes(some)) for some in bodies]
    decoded = CODEC.decode(frames)
    assert all(0 <= bad.frame < len(frames) and bad.reason for bad in decoded.unreadable)
    list(decoded.columns.rows())  # its JSON is JSON
    talk(Stream(), [b"".join(simulator.framed(bytes(some)) if sealed else bytes(some) for some in bodies)])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["", "00000000000000", "0000000000000020", "000f"]))
def test_any_bytes_give_frames_or_rejects(noise: bytes, start: str) -> None:
    wire = bytes.fromhex(start) + noise
    for session in (Stream(), Datagram()):
        received = session.receive(wire)
        frames = received.frames + (session.admit(True).frames if received.login is not None else [])
        list(CODEC.decode(frames).columns.rows())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([7, 8, 0x8E, 0x10, 0x0C, 0x0D, 0x0E, 0x0F]), st.binary(max_size=200))
def test_any_body_is_read_or_told_to_be_unreadable(codec: int, noise: bytes) -> None:
    decoded = CODEC.decode([Frame("records", bytes([codec, 1]) + noise), Frame("messages", bytes([codec]) + noise)])
    list(decoded.columns.rows())


def test_the_buffer_is_bounded() -> None:
    session = Stream()
    session.receive(bytes(4) + LARGEST_BODY_BYTES.to_bytes(4, "big"))
    for _ in range(40):
        session.receive(bytes(65536))
    assert len(session._buffer) <= LARGEST_BODY_BYTES + 12
    session = Stream()
    session.receive(simulator.Tracker(IMEI).hello())
    assert [session.receive(bytes(65536)).close for _ in range(17)] == [False] * 16 + [True]
    assert not session._buffer


@settings(max_examples=50, deadline=None)
@given(PACKETS)
def test_many_together_are_what_they_are_one_by_one(packets: list[bytes]) -> None:
    frames = frames_of(b"".join(packets))
    together = CODEC.decode([*frames, Frame(ANSWER, b"", bytes(4)), *frames]).columns
    alone = [row for frame in frames for row in CODEC.decode([frame]).columns.rows()]
    assert list(together.rows()) == alone + alone
    counts = [len(CODEC.decode([frame]).columns) for frame in frames]
    places = [*range(len(frames)), *range(len(frames) + 1, 2 * len(frames) + 1)]
    assert together.frame.tolist() == [place for place, count in zip(places, counts * 2, strict=True) for _ in range(count)]


@settings(max_examples=30, deadline=None)
@given(st.lists(FIXES, min_size=1, max_size=8), CODECS)
def test_records_are_the_same_alone_among_their_like_and_among_others(fixes: list[Fix], codec: int) -> None:
    """Packets of one layout are read at once, mixed ones record by record: the rows must not tell which."""
    alone = [row for fix in fixes for row in rows_of(frames_of(simulator.packets([fix], codec)))]
    mixed = rows_of(frames_of(simulator.packets([*walk(3, alarm_at=1), *fixes], codec)))
    assert mixed[3:] == alone
    assert [(row["time"], row["latitude"], row["odometer_m"]) for row in alone] == [
        (f"{fix.time:%Y-%m-%dT%H:%M:%S}.000Z", fix.latitude, fix.odometer_m) for fix in fixes
    ]


@pytest.mark.skipif(not (SHARED / "packets/teltonika.jsonl").exists(), reason="real packets are not beside this checkout")
def test_real_packets() -> None:
    """Packets that real trackers sent, scored against another decoder's reading: 95 % must agree, telemetry 85 %."""
    score = [sys.executable, str(SHARED / "tools/packet-score"), "--json", "teltonika"]
    command = f"{sys.executable} -c 'import telematics.cli as cli; cli.main()'"
    told = subprocess.run([*score, "--telematics", command], capture_output=True, text=True, check=True).stdout
    table, summary = told.splitlines()
    right, count = json.loads(table)["teltonika"]
    assert right >= 0.95 * count, summary
    assert float(summary.rsplit("= ", 1)[1].rstrip("%")) >= 85, summary
