"""t55: sentences of NMEA 0183 and of those who borrowed its form, who sends them, and the laws."""

from __future__ import annotations

import pytest

from protocols import Received, codec
from protocols.nmea import checksum
from tests.protocols.laws import hear, hold, rounded

CODEC = codec("t55")


def sentence(body: str) -> bytes:
    return f"${body}*{checksum(body.encode()):02X}\r\n".encode()


RMC = sentence("GPRMC,225446.50,A,4916.45,N,12311.12,W,000.5,054.7,191120,020.3,E")  # the standard's own example, in this century
MESSAGES = [
    b"123456789012345\r\n",
    RMC,
    b"77/0123456789/" + RMC,
    b"9876,$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n",
    b"$GPFID,ID77*00\r\n",
    sentence("GPGSV,2,1,08,01,40,083,46"),
    b"$ID,351111122222333,1,WMCS,0,IOP,O,0x02,I,0x01,GPSEX,A,D,010220,T,101112,S,8:4,La,52.5,N,Lo,13.4,E,H,90.0,V,36.5,DD,1200\r\n",
]


def read(data: bytes) -> list[dict[str, object]]:
    return [rounded(row) for row in CODEC.decode(hear(CODEC.session(), data).frames).columns.rows()]


FIX = {"time": "2020-11-19T22:54:46.500Z", "valid": True, "latitude": 49.2741667, "longitude": -123.1853333}


@pytest.mark.parametrize(
    ("line", "row"),
    [
        pytest.param(RMC, FIX | {"speed_kmh": 0.926, "course_deg": 54.7, "attributes": {}}, id="RMC"),
        pytest.param(
            b"$GNRMC,225446,V,4916.45,S,12311.12,E,,,191120,,\r\n",
            {
                "time": "2020-11-19T22:54:46.000Z",
                "valid": False,
                "latitude": -49.2741667,
                "longitude": 123.1853333,
                "attributes": {},
            },
            id="RMC of two systems, south and east, that is not vouched for, without a checksum",
        ),
        pytest.param(
            RMC.strip() + b",11,351111122222333,1,090,012,5,67\r\n",
            FIX
            | {"speed_kmh": 0.926, "course_deg": 54.7, "satellites": 11.0, "ignition": True, "battery_v": 12.0}
            | {"attributes": {"fuel": 90, "io1": "5", "io2": "67"}},
            id="RMC that goes on behind its checksum",
        ),
        pytest.param(
            b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n",
            {"time": None, "valid": True, "latitude": 48.1173, "longitude": 11.5166667, "altitude_m": 545.4, "satellites": 8.0}
            | {"attributes": {"hdop": 0.9}},
            id="GGA has no date",
        ),
        pytest.param(
            b"$GPRMA,A,4916.45,N,12311.12,W,,,10.0,090.,11.,E*7\r\n",
            {
                "time": None,
                "valid": True,
                "latitude": 49.2741667,
                "longitude": -123.1853333,
                "speed_kmh": 18.52,
                "course_deg": 90.0,
            }
            | {"attributes": {}},
            id="RMA has no time",
        ),
        pytest.param(
            b"$TRCCR,20200228235959.250,A,-33.5,151.25,10.0,359.5,12.5,3.9,*00\r\n",
            {"time": "2020-02-28T23:59:59.250Z", "valid": True, "latitude": -33.5, "longitude": 151.25, "altitude_m": 12.5}
            | {"speed_kmh": 18.52, "course_deg": 359.5, "battery_v": 3.9, "attributes": {}},
            id="TRCCR",
        ),
        pytest.param(
            b"$PUBX,00,081350.00,4717.113210,N,00833.915187,E,546.589,G3,2.1,2.0,0.007,77.52,0.007,,0.92,1.19,0.77,9,0,0*5F\r\n",
            {
                "time": None,
                "valid": True,
                "latitude": 47.2852202,
                "longitude": 8.5652531,
                "altitude_m": 546.589,
                "speed_kmh": 0.007,
            }
            | {"course_deg": 77.52, "accuracy_m": 2.1, "satellites": 9.0, "attributes": {"index": 0, "hdop": 0.92, "vdop": 1.19}},
            id="PUBX, the example in u-blox' description",
        ),
        pytest.param(
            b"QZE,351111122222333,21,01022021,030405,22.5,-114.5,60,22,A,1\r\n",
            {"time": "2021-02-01T03:04:05.000Z", "valid": True, "latitude": 22.5, "longitude": -114.5, "speed_kmh": 60.0}
            | {"course_deg": 22.0, "ignition": True, "attributes": {"event": 21}},
            id="QZE",
        ),
        pytest.param(
            MESSAGES[-1],
            {"time": "2020-02-01T10:11:12.000Z", "valid": True, "latitude": 52.5, "longitude": 13.4, "speed_kmh": 36.5}
            | {"course_deg": 90.0, "satellites": 4.0}
            | {"attributes": {"output": 2, "input": 1, "event": "GPSEX", "satVisible": 8, "totalDistance": 1200.0}},
            id="WMCS",
        ),
        pytest.param(
            b"$ID,351111122222333,1,2,ALARM,0x00000200,IOP,M,9,GPSEH,V\r\n",
            {"time": None, "valid": False, "attributes": {"status": 0x200, "event": "GPSEH"}, "no_fix": True},
            id="WMCS that has no place to tell",
        ),
        pytest.param(
            sentence("GPIOP,00100001,00000011,0.50,0.00,0.00,1.25,12.50,3.90"),
            {"time": None, "valid": False, "power_v": 12.5, "battery_v": 3.9, "no_fix": True}
            | {"attributes": {"input": 33, "output": 3, "adc1": 0.5, "adc2": 0.0, "adc3": 0.0, "adc4": 1.25}},
            id="GPIOP",
        ),
        pytest.param(
            sentence("GPTXT,NET,2042,Some Net,-71,123 04"),
            {
                "time": None,
                "valid": False,
                "gsm": -71.0,
                "attributes": {"operator": "Some Net", "mcc": 123, "mnc": 4},
                "no_fix": True,
            },
            id="GPTXT",
        ),
    ],
)
def test_a_sentence_is_read_whole(line: bytes, row: dict[str, object]) -> None:
    assert read(b"1003\r\n" + line) == [row]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"$PGID,352222233333444*00\r\n", "352222233333444"),
        (b"$DEVID,0x01AB*41\r\n", "0x01AB"),
        (b"$PSIWMDID,9Z88*00\r\n", "9Z88"),
        (b"$PCPTI,A Router,010203,010203.0,6F*00\r\n", "A Router"),
        (b'$CONNECT,351111122222333,NETWORK,"x",V,120.69\r\n', "351111122222333"),
        (b"$GPFID,ID77\r\n", "ID77"),
        (b"$IMEI=353333344444555\r\n", "353333344444555"),
        (b"IMEI 354444455555666\r\n", "354444455555666"),
        (b"0A1B2C3D4E5F\r\n", "0A1B2C3D4E5F"),
        (b"0123456789ABCDEF" + RMC, "0123456789ABCDEF"),
        (b"355555566666777," + RMC, "355555566666777"),
        (b"77/0123456789/" + RMC, "0123456789"),
        (b"QZE,351111122222333,21,01022021,030405,22.5,-114.5,60,22,A,1\r\n", "351111122222333"),
    ],
)
def test_who_it_is(line: bytes, name: str) -> None:
    for session in (CODEC.session(), CODEC.datagram()):  # type: ignore[misc] # t55 has datagrams
        assert session.receive(line).login == name
    assert CODEC.session().receive(line[:-3]) == Received()


def test_the_last_fix_waits_for_the_name() -> None:
    session = CODEC.session()
    assert len(hear(session, RMC.replace(b"225446", b"225440")).frames) == 1  # nobody's: to the dead letters
    fix = hear(session, RMC).frames
    received = hear(session, b"$GPFID,ID77\r\n")
    assert (received.login, received.frames) == ("ID77", fix)
    assert hear(session, b"$GPFID,ID77\r\n").frames == []


def test_a_stranger_is_left_without_a_word() -> None:
    session = CODEC.session()
    received = hear(session, b"123456\r\n" + b"123456" + RMC, known=False)
    assert (received.login, received.frames, received.reply, received.rejects) == ("123456", [], b"", [])


@pytest.mark.parametrize(
    ("line", "rejects"),
    [
        (sentence("GPGSV,2,1,08,01,40,083,46"), 0),
        (sentence("GPTXT,01,01,02,ANTSTATUS=OK"), 0),
        (b"$PUBX,03,11*00\r\n", 0),
        (b"\r\n\r\n", 0),
        (b"GET / HTTP/1.1\r\n", 1),
        (b"$XYZ,1\r\n", 1),
    ],
)
def test_what_holds_no_report(line: bytes, rejects: int) -> None:
    received = hear(CODEC.session(), line)
    assert (received.login, received.frames, len(received.rejects)) == (None, [], rejects)


def test_a_receiver_without_a_fix_says_nothing() -> None:
    assert read(b"$GPRMC,,V,,,,,,,,,,N*53\r\n$GPGGA,,,,,,0,,,,,,,,*66\r\n") == []


@pytest.mark.parametrize("line", [b"$GPRMC,25x\r\n", RMC.replace(b"191120", b"321320"), b"$TRCCR,2020\r\n", b"$GPIOP,2,2\r\n"])
def test_what_cant_be_read_becomes_a_dead_letter(line: bytes) -> None:
    decoded = CODEC.decode(hear(CODEC.session(), line).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


def test_a_line_has_a_bound() -> None:
    assert hear(CODEC.session(), b"7" * 1025).close


def test_the_laws() -> None:
    hold(CODEC, MESSAGES)
