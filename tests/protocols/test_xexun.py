"""xexun: the basic and the full form, told apart, and the laws."""

from __future__ import annotations

import pytest

from protocols import codec
from tests.protocols.laws import hear, hold, rounded

CODEC = codec("xexun")
BASIC = b"GPRMC,070718.000,A,2234.0228,N,11403.0764,E,10.00,90.5,070909,,,A*73,F,help me!,imei:354776030042714,"
FULL = (  # the manual's example, with what later firmware has behind the IMEI
    b"090907070718,13145826175,GPRMC,070718.000,A,2234.0228,N,11403.0764,E,10.00,90.5,070909,,,A*73,F,help me, "
    b"imei:354776030042714,05,40.5,F:4.15V,1,132,40512,460,01,2531,647E\r\n"
)
NO_FIX = b",+10203040506,,L,, imei:354776030042714,,,F:3.75V,0,50,12345,123,04,0010,ABCD\r\n"
MESSAGES = [BASIC, BASIC + b"\r\n", FULL, NO_FIX, b"hello\r\n"]

PLACE = {"time": "2009-09-07T07:07:18.000Z", "valid": True, "latitude": 22.5670467, "longitude": 114.0512733}
MOVING = PLACE | {"speed_kmh": 18.52, "course_deg": 90.5}
TAIL = {"signal": "F", "serial": "090907070718", "number": "13145826175", "mcc": 460, "mnc": 1, "lac": 0x2531, "cid": 0x647E}
SECOND = PLACE | {"altitude_m": 40.5, "satellites": 5.0, "power_v": 4.15, "speed_kmh": 18.52, "course_deg": 90.5}


@pytest.mark.parametrize(
    ("message", "row"),
    [
        pytest.param(BASIC, MOVING | {"alarm": "sos", "attributes": {"signal": "F"}}, id="basic"),
        pytest.param(
            BASIC.replace(b"*73,F,help me!,", b"*73\r\n,L,"),
            MOVING | {"attributes": {"signal": "L"}},
            id="a line end behind the checksum",
        ),
        pytest.param(
            BASIC.replace(b"2234.0228,N,11403.0764,E", b"2234.0228,S,5.2500,"),
            MOVING | {"latitude": -22.5670467, "longitude": 0.0875, "alarm": "sos", "attributes": {"signal": "F"}},
            id="minutes alone, near Greenwich",
        ),
        pytest.param(FULL, SECOND | {"alarm": "sos", "attributes": TAIL | {"charge": True}}, id="full"),
        pytest.param(
            FULL.replace(b"help me", b"ACC OFF")
            .replace(b"GPRMC", b"GNRMC")
            .replace(b"F:4.15V,1", b"L:4.15V/ADC1=0.35V/ADC2=1.5V,0"),
            SECOND | {"ignition": False, "attributes": TAIL | {"charge": False, "adc1": 0.35, "adc2": 1.5}},
            id="ignition and voltages",
        ),
        pytest.param(
            NO_FIX,
            {"time": None, "valid": False, "power_v": 3.75, "no_fix": True}
            | {
                "attributes": {
                    "signal": "L",
                    "number": "+10203040506",
                    "charge": False,
                    "mcc": 123,
                    "mnc": 4,
                    "lac": 16,
                    "cid": 0xABCD,
                }
            },
            id="without a fix",
        ),
    ],
)
def test_a_message_is_read_whole(message: bytes, row: dict[str, object]) -> None:
    received = hear(CODEC.session(), b"\n\r" + message)
    assert (received.login, received.reply, received.rejects) == ("354776030042714", b"", [])
    assert [rounded(one) for one in CODEC.decode(received.frames).columns.rows()] == [row]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (b"low battery", {"alarm": "lowBattery"}),
        (b"move!", {"alarm": "movement"}),
        (b"moved!", {"alarm": "movement"}),
        (b"speed!", {"alarm": "overspeed"}),
        (b"stockade!", {"alarm": "geofence"}),
        (b"ACCStart", {"ignition": True}),
        (b"ACC On", {"ignition": True}),
        (b"accstop", {"ignition": False}),
        (b"hm?", {"attributes": {"signal": "F", "event": "hm?"}}),
    ],
)
def test_words_of_alarm(word: bytes, told: dict[str, object]) -> None:
    (row,) = CODEC.decode(hear(CODEC.session(), BASIC.replace(b"help me!", word)).frames).columns.rows()
    assert {name: row[name] for name in told} == told
    assert ("alarm" in row, "ignition" in row) == ("alarm" in told, "ignition" in told)


def test_basic_messages_need_nothing_between_them() -> None:
    received = hear(CODEC.session(), BASIC + BASIC + b"\r\n" + FULL + BASIC)
    assert [len(frame.payload) for frame in received.frames] == [len(BASIC), len(BASIC), len(FULL) - 2, len(BASIC)]


def test_a_stranger_is_left_without_a_word() -> None:
    received = hear(CODEC.session(), FULL, known=False)
    assert (received.frames, received.reply) == ([], b"")


def test_a_line_without_an_imei_is_refused() -> None:
    assert [reject.reason for reject in hear(CODEC.session(), b"hello\r\n").rejects] == ["a line without an IMEI"]


def test_an_endless_line_ends_the_connection() -> None:
    assert hear(CODEC.session(), b"G" * 1025).close


@pytest.mark.parametrize(
    "message", [BASIC.replace(b"*", b"#"), BASIC.replace(b",070909,,,A", b""), BASIC.replace(b"070909", b"320909")]
)
def test_what_cant_be_read_becomes_a_dead_letter(message: bytes) -> None:
    decoded = CODEC.decode(hear(CODEC.session(), message).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


def test_the_laws() -> None:
    hold(CODEC, MESSAGES)
