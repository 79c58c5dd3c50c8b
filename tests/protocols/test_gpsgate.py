"""gpsgate: logins, positions and messages of GpsGate's protocol, the answers, and the laws."""

from __future__ import annotations

import pytest

from protocols import codec
from protocols.gpsgate import sentence
from tests.protocols.laws import hear, hold, rounded

CODEC = codec("gpsgate")
LOGIN = sentence(b"FRLIN,,truck7,QWERT")
RMC = sentence(b"GPRMC,010203.000,A,4230.00000,N,07015.00000,E,10.0,90.0,150621,,")
MESSAGE = sentence(
    b"FRCMD,351111122222333,_SendMessage,,1030.0000,S,02015.0000,W,1500.5,010.0,270.5,150621,010203.50,1,"
    b"SosButton=1,voltage=4.1,Note=a b"
)
PING = sentence(b"FRCMD,351111122222333,_Ping,voltage=4")
WELCOME = sentence(b"FRSES,2326228847")
MESSAGES = [LOGIN, RMC.replace(b"\r\n", b"\0"), MESSAGE, PING, sentence(b"FRVER,1,0,Client 1"), b"$FRLIN,x*00\r\n"]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\0"])
@pytest.mark.parametrize(
    ("line", "row"),
    [
        pytest.param(
            RMC,
            {"time": "2021-06-15T01:02:03.000Z", "valid": True, "latitude": 42.5, "longitude": 70.25, "speed_kmh": 18.52}
            | {"course_deg": 90.0, "attributes": {}},
            id="GPRMC",
        ),
        pytest.param(
            MESSAGE,
            {"time": "2021-06-15T01:02:03.500Z", "valid": True, "latitude": -10.5, "longitude": -20.25}
            | {"altitude_m": 1500.5, "speed_kmh": 18.52, "course_deg": 270.5, "alarm": "sos"}
            | {"attributes": {"sosButton": 1.0, "voltage": 4.1, "note": "a b"}},
            id="_SendMessage",
        ),
        pytest.param(
            sentence(b"FRCMD,0042,_SendMessage, ,1030.00,N,02015.00,E,350,1,,150621,010203,0"),
            {
                "time": "2021-06-15T01:02:03.000Z",
                "valid": False,
                "latitude": 10.5,
                "longitude": 20.25,
                "altitude_m": 350.0,
            }
            | {"speed_kmh": 1.852, "attributes": {}},
            id="_SendMessage that is not vouched for",
        ),
        pytest.param(
            sentence(b"FRCMD,0042,_TRAC,,1030.00,S,02015.00,W,350,1,,150621,010203,1"),
            {"time": "2021-06-15T01:02:03.000Z", "valid": True, "latitude": -10.5, "longitude": -20.25, "altitude_m": 350.0}
            | {"speed_kmh": 1.852, "attributes": {}},
            id="a maker's own command with a place",
        ),
        pytest.param(PING, {"time": None, "valid": False, "attributes": {"voltage": 4.0}, "no_fix": True}, id="_Ping"),
    ],
)
def test_a_sentence_is_read_whole(line: bytes, row: dict[str, object], end: bytes) -> None:
    received = hear(CODEC.session(), LOGIN + line.strip() + end)
    assert [rounded(one) for one in CODEC.decode(received.frames).columns.rows()] == [row]
    assert [frame.ack for frame in received.frames] == [b""]


@pytest.mark.parametrize(
    ("line", "login", "known", "reply"),
    [
        pytest.param(LOGIN, "truck7", True, WELCOME, id="welcome"),
        pytest.param(LOGIN, "truck7", False, b"$FRERR,AuthError,Unknown device*51\r\n", id="a stranger is told so"),
        pytest.param(
            sentence(b"FRLIN,IMEI,1234123412341234,"), "1234123412341234", True, sentence(b"FRSES,3531471488"), id="by IMEI"
        ),
        pytest.param(sentence(b"FRLIN,IMEI"), None, True, b"$FRERR,AuthError,Parse error*2C\r\n", id="without a name"),
        pytest.param(sentence(b"FRVER,1,1,Client"), None, True, sentence(b"FRVER,1,0,GpsGate Server 1.0"), id="version"),
        pytest.param(MESSAGE, "351111122222333", True, b"", id="a message has no answer"),
        pytest.param(MESSAGE, "351111122222333", False, b"", id="nor has a stranger's"),
        pytest.param(sentence(b"FRWDT,NMEA"), None, True, b"", id="positions will follow"),
    ],
)
def test_what_is_answered(line: bytes, login: str | None, known: bool, reply: bytes) -> None:
    received = hear(CODEC.session(), line, known=known)
    assert (received.login, received.reply) == (login, reply)
    assert bool(received.frames) == (known and line is MESSAGE)


def test_the_checksum_is_that_of_the_specification() -> None:
    denial = b"$FRERR,AuthError,You have provided wrong username or password*18\r\n"
    assert sentence(denial[1:-5]) == denial


def test_a_wrong_checksum_is_refused_and_explained() -> None:
    received = hear(CODEC.session(), LOGIN + RMC.replace(b"A,4230", b"A,4231"))
    (reject,) = received.rejects
    assert (received.frames, reject.reason) == ([], "the checksum is wrong")
    assert reject.unchecked is not None
    assert CODEC.decode([reject.unchecked]).columns.latitude.tolist() == pytest.approx([42.5166667])


@pytest.mark.parametrize("line", [b"hello\r\n", sentence(b"FRLIN,,,x"), sentence(b"XXYYY,1"), sentence(b"FRCMD,")])
def test_what_is_no_sentence(line: bytes) -> None:
    received = hear(CODEC.session(), line)
    assert (received.frames, len(received.rejects)) == ([], 1)


@pytest.mark.parametrize("line", [sentence(b"FRCMD,1"), sentence(b"FRCMD,1,_SendMessage,,1030"), sentence(b"GPRMC,1")])
def test_what_cant_be_read_becomes_a_dead_letter(line: bytes) -> None:
    decoded = CODEC.decode(hear(CODEC.session(), line).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


def test_a_receiver_without_a_fix_says_nothing() -> None:
    decoded = CODEC.decode(hear(CODEC.session(), LOGIN + sentence(b"GPRMC,,V,,,,,,,,,,N")).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 0)


def test_the_laws() -> None:
    hold(CODEC, MESSAGES)
