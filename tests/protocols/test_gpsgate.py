"""gpsgate: logins, positions and messages of GpsGate's protocol, the answers, and the laws."""

from __future__ import annotations

import pytest

from protocols import codec
from protocols.gpsgate import sentence
from tests.protocols.laws import hear, hold, rounded

CODEC = codec("gpsgate")
LOGIN = b"$FRLIN,,user1,8IVHF*7A\r\n"  # the specification's own
RMC = sentence(b"GPRMC,154403.000,A,6311.64120,N,01438.02740,E,10.0,90.0,270707,,")
MESSAGE = sentence(
    b"FRCMD,353067011111111,_SendMessage,,1918.1942,S,09906.3696,W,2246.5,010.0,295.9,150416,213147.50,1,"
    b"SosButton=1,voltage=4.1,Note=a b"
)
PING = sentence(b"FRCMD,353067011111111,_Ping,voltage=4")
WELCOME = sentence(b"FRSES,2354152789")
LAWFUL = [LOGIN, RMC.replace(b"\r\n", b"\0"), MESSAGE, PING, sentence(b"FRVER,1,0,Client 1"), b"$FRLIN,x*00\r\n"]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\0"])
@pytest.mark.parametrize(
    ("line", "row"),
    [
        pytest.param(
            RMC,
            {"time": "2007-07-27T15:44:03.000Z", "valid": True, "latitude": 63.19402, "longitude": 14.63379, "speed_kmh": 18.52}
            | {"course_deg": 90.0, "attributes": {}},
            id="GPRMC",
        ),
        pytest.param(
            MESSAGE,
            {"time": "2016-04-15T21:31:47.500Z", "valid": True, "latitude": -19.3032367, "longitude": -99.10616}
            | {"altitude_m": 2246.5, "speed_kmh": 18.52, "course_deg": 295.9, "alarm": "sos"}
            | {"attributes": {"sosButton": 1.0, "voltage": 4.1, "note": "a b"}},
            id="_SendMessage",
        ),
        pytest.param(
            sentence(b"FRCMD,0097,_SendMessage, ,7618.51990,N,4002.26182,E,350,1,,250816,183522,0"),
            {
                "time": "2016-08-25T18:35:22.000Z",
                "valid": False,
                "latitude": 76.308665,
                "longitude": 40.0376970,
                "altitude_m": 350.0,
            }
            | {"speed_kmh": 1.852, "attributes": {}},
            id="_SendMessage that is not vouched for",
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
        pytest.param(LOGIN, "user1", True, WELCOME, id="welcome"),
        pytest.param(LOGIN, "user1", False, b"$FRERR,AuthError,Unknown device*51\r\n", id="a stranger is told so"),
        pytest.param(
            sentence(b"FRLIN,IMEI,1234123412341234,"), "1234123412341234", True, sentence(b"FRSES,3531471488"), id="by IMEI"
        ),
        pytest.param(sentence(b"FRLIN,IMEI"), None, True, b"$FRERR,AuthError,Parse error*2C\r\n", id="without a name"),
        pytest.param(sentence(b"FRVER,1,1,Client"), None, True, sentence(b"FRVER,1,0,GpsGate Server 1.0"), id="version"),
        pytest.param(MESSAGE, "353067011111111", True, b"", id="a message has no answer"),
        pytest.param(MESSAGE, "353067011111111", False, b"", id="nor has a stranger's"),
        pytest.param(sentence(b"FRWDT,NMEA"), None, True, b"", id="positions will follow"),
    ],
)
def test_what_is_answered(line: bytes, login: str | None, known: bool, reply: bytes) -> None:
    received = hear(CODEC.session(), line, known=known)
    assert (received.login, received.reply) == (login, reply)
    assert bool(received.frames) == (known and line is MESSAGE)


def test_a_wrong_checksum_is_refused_and_explained() -> None:
    received = hear(CODEC.session(), LOGIN + RMC.replace(b"A,6311", b"A,6312"))
    (reject,) = received.rejects
    assert (received.frames, reject.reason) == ([], "the checksum is wrong")
    assert reject.unchecked is not None
    assert CODEC.decode([reject.unchecked]).columns.latitude.tolist() == pytest.approx([63.2106867])


@pytest.mark.parametrize("line", [b"hello\r\n", sentence(b"FRLIN,,,x"), sentence(b"XXYYY,1"), sentence(b"FRCMD,")])
def test_what_is_no_sentence(line: bytes) -> None:
    received = hear(CODEC.session(), line)
    assert (received.frames, len(received.rejects)) == ([], 1)


@pytest.mark.parametrize("line", [sentence(b"FRCMD,1"), sentence(b"FRCMD,1,_SendMessage,,1918"), sentence(b"GPRMC,1")])
def test_what_cant_be_read_becomes_a_dead_letter(line: bytes) -> None:
    decoded = CODEC.decode(hear(CODEC.session(), line).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


def test_a_receiver_without_a_fix_says_nothing() -> None:
    decoded = CODEC.decode(hear(CODEC.session(), LOGIN + sentence(b"GPRMC,,V,,,,,,,,,,N")).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 0)


def test_the_laws() -> None:
    hold(CODEC, LAWFUL)
