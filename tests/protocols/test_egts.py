"""EGTS: packets built by hand from the standard's tables, what is answered, whose records they are, and the laws."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from fastcrc.crc8 import nrsc_5
from fastcrc.crc16 import ibm_3740

from protocols import ANSWER
from protocols.egts import CODEC
from telematics.simulator.egts import ALARM_SOURCES, Tracker
from telematics.simulator.fix import Fix
from tests.protocols import laws
from tests.protocols.laws import rounded

IMEI = "350000000000111"
SINCE_2010_S = 1_262_304_000


def packet(data: bytes, kind: int = 1, number: int = 7, flags: int = 0, route: bytes = b"") -> bytes:
    head = struct.pack("<5BHHB", 1, 0, flags, 11 + len(route), 0, len(data), number, kind) + route
    return head + bytes((nrsc_5(head),)) + data + (ibm_3740(data).to_bytes(2, "little") if data else b"")


def record(body: str | bytes, number: int = 1, service: int = 2, **said: int) -> bytes:
    """`said`: object, event, time."""
    body = bytes.fromhex(body) if isinstance(body, str) else body
    flags = sum(bit for name, bit in (("object", 1), ("event", 2), ("time", 4)) if name in said)
    extra = b"".join(struct.pack("<I", said[name]) for name in ("object", "event", "time") if name in said)
    return struct.pack("<HHB", len(body), number, flags) + extra + bytes((service, service)) + body


def login(imei: str = IMEI) -> bytes:
    return packet(record(b"\x01\x14\0" + struct.pack("<IB", 77, 2) + imei.encode(), service=1))


# 2024-03-05 07:08:09, 43.25 N 76.95 E, 61.2 km/h, course 300, 1234.5 km, inputs 5, moving, 790 m
NTM = struct.pack("<I", 1709622489 - SINCE_2010_S).hex()
LAT, LON = struct.pack("<I", round(43.25 / 90 * 0xFFFFFFFF)).hex(), struct.pack("<I", round(76.95 / 180 * 0xFFFFFFFF)).hex()
PLACE = f"10 1800 {NTM} {LAT} {LON} 91 6482 2c 393000 05 00 160300"
FIX = {
    "time": "2024-03-05T07:08:09.000Z", "valid": True, "latitude": 43.25, "longitude": 76.95, "altitude_m": 790.0,
    "speed_kmh": 61.2, "course_deg": 300.0, "motion": True, "odometer_m": 1_234_500.0, "attributes": {"input": 5, "event": 0},
}  # fmt: skip


def rows(data: bytes) -> list[dict[str, Any]]:
    received = laws.hear(CODEC.session(), data)
    decoded = CODEC.decode(received.frames)
    assert (received.rejects, list(decoded.unreadable)) == ([], [])
    return [rounded(row) for row in decoded.columns.rows()]


@pytest.mark.parametrize(
    ("body", "row"),
    [
        pytest.param(PLACE, FIX, id="a place with altitude"),
        pytest.param(
            f"10 1500 {NTM} {LAT} {LON} 69 6402 2c 393000 00 0d",
            {name: value for name, value in FIX.items() if name != "altitude_m"}
            | {
                "latitude": -43.25, "longitude": -76.95, "course_deg": 44.0, "motion": False, "alarm": "sos",
                "attributes": {"input": 0, "event": 13, "archive": True},
            },
            id="south, west, late, without altitude, the button",
        ),
        pytest.param(
            f"10 1800 {NTM} {LAT} {LON} 81 0040 00 000000 00 07 9b0100",
            FIX
            | {
                "altitude_m": -411.0, "speed_kmh": 0.0, "course_deg": 0.0, "motion": False, "odometer_m": 0.0,
                "alarm": "overspeed", "attributes": {"input": 0, "event": 7},
            },
            id="below the sea",
        ),
        pytest.param(
            f"10 1500 {NTM} {LAT} {LON} 00 6402 2c 393000 01 05",
            {
                "time": "2024-03-05T07:08:09.000Z", "valid": False, "motion": False, "odometer_m": 1_234_500.0, "no_fix": True,
                "attributes": {"input": 1, "event": 5},
            },
            id="a place that isn't valid is telemetry alone",
        ),
        pytest.param(
            PLACE + "11 0800 0f 6e00 5000 8400 0b",
            FIX | {"satellites": 11.0, "attributes": FIX["attributes"] | {"vdop": 1.1, "hdop": 0.8, "pdop": 1.32}},
            id="precision",
        ),
        pytest.param(
            PLACE + "12 0b00 02 0d 05 0c 2c0100 d00700 ff00",
            FIX | {"attributes": FIX["attributes"] | {"output": 13, "input2": 12, "adc1": 300, "adc3": 2000}},
            id="inputs and analog ones by their bits",
        ),
        pytest.param(
            PLACE + "13 0400 04 40e201 15 0500 02 79 7b 29 02",
            FIX | {"power_v": 12.1, "battery_v": 4.1, "attributes": FIX["attributes"] | {"count3": 123456, "mode": 2}},
            id="counter and state",
        ),
        pytest.param(
            PLACE + "14 0500 02 79 7b 00 02",
            FIX | {"power_v": 12.1, "battery_v": 12.3, "attributes": FIX["attributes"] | {"mode": 2}},
            id="the state by its older number, and the backup battery where it has no own",
        ),
        pytest.param(
            PLACE + "14 0700 01 00000000 0000 16 0300 07 21 03 17 0200 31 01 1a 0200 42 00",
            FIX | {"attributes": FIX["attributes"] | {"loop1": 1, "loop2": 2, "loop3": 3, "input19": 1, "loop4": 2}},
            id="an accelerometer's log is passed over; loops; single inputs",
        ),
        pytest.param(
            PLACE + "18 0400 03 2d0000 19 0400 06 010203",
            FIX | {"attributes": FIX["attributes"] | {"adc3": 45, "count6": 0x030201}},
            id="single analog inputs and counters",
        ),
        pytest.param(
            PLACE + "1b 0700 20 0100 e8030000 1b 0700 11 0200 32000000 1b 0700 42 0300 09000000 1b 0500 08 0400 abcd",
            FIX
            | {
                "fuel_l": 100.0,
                "attributes": FIX["attributes"]
                | {"liquid": 9, "liquid1": 1000, "liquid2": 50, "liquid3": 9, "fuel": 50, "liquidRaw": "abcd"},
            },
            id="liquids: 0.1 l, percent, a broken one, raw",
        ),
        pytest.param(
            PLACE + "1c 0900 00 05 04 0000 01 02 03 04",
            FIX | {"attributes": FIX["attributes"] | {"door1": False, "in1": 1, "out1": 2, "door3": True, "in3": 3, "out3": 4}},
            id="passengers",
        ),
        pytest.param(
            "15 0500 02 60 00 00 00",
            {"time": "2024-03-05T07:08:09.000Z", "valid": False, "power_v": 9.6, "no_fix": True, "attributes": {"mode": 2}},
            id="without a place: the record's own time",
        ),
        pytest.param(
            PLACE + "11 0200 08", FIX | {"attributes": FIX["attributes"] | {"truncated": 17}}, id="a subrecord that is cut short"
        ),
    ],
)  # fmt: skip
def test_a_record_is_read_whole(body: str, row: dict[str, Any]) -> None:
    assert rows(packet(record(body, object=9, time=1709622489 - SINCE_2010_S))) == [row]


def test_places_that_are_cut_short_are_one_report_however_many() -> None:
    (row,) = rows(packet(record(bytes.fromhex("100000") * 1000)))
    assert (row["attributes"], "latitude" in row) == ({"truncated": 16}, False)


def test_every_place_of_a_record_is_a_report() -> None:
    later = PLACE.replace(NTM, struct.pack("<I", 1709622499 - SINCE_2010_S).hex())
    assert [row["time"][14:19] for row in rows(packet(record(PLACE + later, object=9)))] == ["08:09", "08:19"]


def answer(records: bytes, number: int = 1, result: int = 0) -> bytes:
    return packet(b"\x07\0" + bytes((result,)) + records, kind=0, number=number)


def stored(*records: tuple[int, int], number: int, service: int = 2) -> bytes:
    return record(b"".join(struct.pack("<BHHB", 0, 3, which, result) for which, result in records), number, service)


RESULT = "09 0100"


def test_a_login_is_answered_at_once_and_records_after_the_commit() -> None:
    session = CODEC.session()
    assert session.receive(login()).login == IMEI
    welcome = session.admit(True)
    assert welcome.reply == answer(stored((1, 0), number=1, service=1), number=2) + packet(
        record(bytes.fromhex(RESULT + "00"), 3, service=1), number=4
    )
    assert welcome.frames == []
    received = session.receive(packet(record(PLACE, 5) + record(PLACE, 6, object=4711)))
    assert (received.reply, received.login, len(received.frames)) == (b"", None, 1), "who logged in needs no object's number"
    assert received.frames[0].ack == answer(stored((5, 0), (6, 0), number=5), number=6)
    assert len(CODEC.decode(received.frames).columns) == 2


def test_a_stranger_is_refused() -> None:
    session = CODEC.session()
    session.receive(login())
    refusal = session.admit(False)
    assert refusal.reply == answer(stored((1, 151), number=1, service=1), number=2) + packet(
        record(bytes.fromhex(RESULT + "97"), 3, service=1), number=4
    )


@pytest.mark.parametrize(
    ("fields", "unique_id"),
    [
        pytest.param(struct.pack("<IB", 77, 2) + IMEI.encode(), IMEI, id="IMEI"),
        pytest.param(struct.pack("<IBH", 77, 3, 5) + b"123456" + bytes(9), "123456", id="behind a dispatcher's number, padded"),
        pytest.param(
            struct.pack("<IB", 77, 6) + bytes(15) + b"0250990000000017", "0250990000000017", id="IMSI, as the IMEI is empty"
        ),
        pytest.param(struct.pack("<IB", 77, 0x80) + b"   +77010000000", "+77010000000", id="phone"),
        pytest.param(struct.pack("<IB", 77, 0), "77", id="the terminal's number"),
    ],
)
def test_who_logs_in(fields: bytes, unique_id: str) -> None:
    body = b"\x01" + len(fields).to_bytes(2, "little") + fields
    assert CODEC.session().receive(packet(record(body, service=1))).login == unique_id


def test_a_server_brings_records_of_many_objects() -> None:
    session = CODEC.session()
    dispatcher = session.receive(packet(record("05 0500 00 07000000", service=1)))
    assert dispatcher.reply.endswith(packet(record(bytes.fromhex(RESULT + "00"), 3, service=1), number=4))
    first = session.receive(
        packet(record(PLACE, 1, object=41) + record(PLACE, 2) + record(PLACE, 3, object=42) + record(PLACE, 4, object=41))
    )
    assert (first.login, first.frames) == ("41", [])
    second = session.admit(True)
    assert (second.login, [frame.ack for frame in second.frames]) == ("42", [b""])
    assert len(CODEC.decode(second.frames).columns) == 3, "a record without a number is of the object before it"
    last = session.admit(False)
    assert [(frame.kind, frame.ack) for frame in last.frames] == [
        (ANSWER, answer(stored((1, 0), (2, 0), (4, 0), (3, 151), number=5), number=6))
    ]


def test_what_holds_no_report_is_answered_at_once() -> None:
    received = CODEC.session().receive(packet(record("02 0100 00", service=1)))
    assert (received.frames, received.reply) == ([], answer(stored((1, 0), number=1, service=1), number=2))
    assert laws.hear(CODEC.session(), packet(b"\x07\0\0", kind=0)).reply == b"", "an answer isn't answered"
    assert laws.hear(CODEC.session(), packet(b"", kind=1)).reply == b""


def test_a_signature_and_a_route_are_passed_over() -> None:
    signed = packet(b"\x03\0abc" + record(PLACE, object=9), kind=2, flags=0x20, route=b"\1\0\2\0\5")
    assert rows(signed) == [FIX]


def test_wrong_checksums() -> None:
    raw = packet(record(PLACE, object=9))
    received = laws.hear(CODEC.session(), raw[:-1] + bytes((raw[-1] ^ 1,)))
    assert (received.frames, received.close, received.reply) == ([], False, answer(b"", number=1, result=138))
    unchecked = received.rejects[0].unchecked
    assert unchecked is not None
    assert len(CODEC.decode([unchecked]).columns) == 1, "to be explained"
    assert laws.hear(CODEC.session(), raw[:10] + bytes((raw[10] ^ 1,)) + raw[11:]).close, "its length can't be trusted"
    assert laws.hear(CODEC.session(), b"GET / HTTP/1.1\r\n\r\n").close


def test_what_is_encrypted_is_refused() -> None:
    received = CODEC.session().receive(packet(record(PLACE, object=9), flags=0x08))
    assert received.reply == answer(b"", number=1, result=129)
    assert [reject.reason for reject in received.rejects] == ["a packet that is encrypted or compressed"]


def test_what_the_simulator_builds_is_read_back() -> None:
    tracker, session = Tracker(IMEI), CODEC.session()
    assert tracker.receive(laws.hear(session, tracker.hello()).reply) == 0
    assert tracker.accepted
    fixes = [
        Fix(datetime(2024, 3, 5, 7, 8, 9, tzinfo=UTC), -43.25, -76.95, -12.0, 61.2, 300.0, 9, True, 12.4, 90, 4, 1_234_500, alarm)
        for alarm in (None, *sorted(ALARM_SOURCES))
    ]
    received = session.receive(tracker.report(fixes))
    read = [rounded(row) for row in CODEC.decode(received.frames).columns.rows()]
    assert [row.get("alarm") for row in read] == [fix.alarm for fix in fixes]
    assert read[0] == {
        "time": "2024-03-05T07:08:09.000Z", "valid": True, "latitude": -43.25, "longitude": -76.95, "altitude_m": -12.0,
        "speed_kmh": 61.2, "course_deg": 300.0, "satellites": 9.0, "motion": True, "power_v": 12.4, "battery_v": 4.1,
        "odometer_m": 1_234_500.0, "attributes": {"input": 1, "event": 0, "mode": 2},
    }  # fmt: skip
    acks = b"".join(frame.ack for frame in received.frames)
    assert tracker.receive(acks[:20]) + tracker.receive(acks[20:]) == len(fixes)


def test_the_simulator_sends_what_it_has_words_for() -> None:
    with pytest.raises(ValueError, match="15 digits"):
        Tracker("truck")
    raw = Tracker(IMEI).report([Fix(datetime(2024, 3, 5, tzinfo=UTC), 1.0, 2.0, alarm="vibration")])
    assert [row.get("alarm") for row in rows(raw)] == [None], "a fix goes without an alarm that it can't say"


MESSAGES = [
    login(),
    packet(record(PLACE)),
    packet(record(PLACE, 1, object=41) + record("15 0500 02 60 00 00 00", 2, object=42, time=5)),
    packet(record("05 0500 00 07000000", service=1)),
    packet(record(PLACE + "1b 0700 20 0100 e8030000 1c 0900 00 05 04 0000 01 02 03 04", object=3)),
]


def test_laws() -> None:
    laws.hold(CODEC, MESSAGES)
