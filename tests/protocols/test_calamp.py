"""calamp: LM Direct's messages, options in front of them, the acknowledgement, and the laws, all of them for datagrams."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import Received, codec
from tests.protocols.laws import hear, hold, rounded

CODEC = codec("calamp")
OPTIONS = bytes.fromhex("83 05 1020304050 01 01")
TIME_S = 1_700_000_000  # 2023-11-14T22:13:20Z


def message(type_: int, body: bytes, service: int = 1, options: bytes = OPTIONS, sequence: int = 0x1234) -> bytes:
    return options + struct.pack(">BBH", service, type_, sequence) + body


def place(fix: int = 0) -> bytes:
    return struct.pack(
        ">IIiiiIhBBHhBBBB", TIME_S, TIME_S - 1, 431234567, -769876543, 8716, 1000, 90, 6, fix, 410, -75, 15, 12, 0x1D, 3
    )


FIX = {"time": "2023-11-14T22:13:20.000Z", "valid": True, "latitude": 43.1234567, "longitude": -76.9876543, "altitude_m": 87.16}
FIX |= {"speed_kmh": 36.0, "course_deg": 90.0, "satellites": 6.0, "ignition": True, "gsm": -75.0}
REST = {"carrier": 410, "modem": 15, "hdop": 1.2, "input": 29, "status": 3}
SHORT = struct.pack(">IiihBBBB", TIME_S, -431234567, 769876543, 240, 50, 0x29, 15, 0x1E)
SMALL = {"time": FIX["time"], "latitude": -43.1234567, "longitude": 76.9876543, "speed_kmh": 50.0, "course_deg": 240.0}
SMALL |= {"valid": False, "satellites": 9.0, "ignition": False}
IDENTITY = struct.pack(">BB3sBBBBBI", 1, 2, b"12c", 0, 4, 35, 195, 1, 0) + bytes.fromhex(
    "1020304050ffffff 3512345678901234 250011234567890f ffffffffffffffff 8970112233445566778f"
)
EVENT = message(2, place() + bytes((4, 77, 3, 0)) + struct.pack(">3I", 7, 8, 9))


def datagram(data: bytes, *, known: bool = True) -> Received:
    assert CODEC.datagram is not None
    return hear(CODEC.datagram(), data, known=known)


@pytest.mark.parametrize(
    ("data", "row"),
    [
        pytest.param(
            EVENT, FIX | {"attributes": REST | {"event": 77, "append": 0, "acc0": 7, "acc1": 8, "acc2": 9}}, id="event"
        ),
        pytest.param(
            message(2, place(fix=0x08) + bytes((4, 1, 0x42, 5)) + struct.pack(">4I", 100, 200, 7, 8)),
            FIX | {"valid": False, "attributes": REST | {"event": 1, "append": 5, "acc0": 7, "acc1": 8}},
            id="event with a threshold, without a fix",
        ),
        pytest.param(
            message(2, place() + bytes((4, 1, 3, 0)) + struct.pack(">IH", 7, 8)),
            FIX | {"attributes": REST | {"event": 1, "append": 0, "acc0": 7}},
            id="sums that are cut short",
        ),
        pytest.param(
            message(8, place() + bytes((1, 0)) + struct.pack(">I", 7)),
            FIX | {"attributes": REST | {"append": 0, "acc0": 7}},
            id="locate",
        ),
        pytest.param(message(4, place() + b"\0\1\0\6hello\0"), FIX | {"attributes": REST | {"result": "hello"}}, id="text"),
        pytest.param(
            message(5, place() + b"\0\x0a\0\2\xbe\xef"), FIX | {"attributes": REST | {"type": 10, "data": "beef"}}, id="data"
        ),
        pytest.param(message(9, place() + bytes(8)), FIX | {"attributes": REST}, id="text with sums"),
        pytest.param(
            message(10, SHORT + bytes((61, 2)) + struct.pack(">2I", 500, 600000)),
            SMALL | {"attributes": {"modem": 15, "input": 30, "event": 61, "acc0": 500, "acc1": 600000}},
            id="short event",
        ),
        pytest.param(message(11, SHORT + bytes(6)), SMALL | {"attributes": {"modem": 15, "input": 30}}, id="short text"),
        pytest.param(
            message(3, IDENTITY + b"OTA:1|0\0VIN-INFO:VIN=1ABCD23E45FG67890,DEV-REGN=US\0"),
            {"time": None, "valid": False, "no_fix": True}
            | {"attributes": {"versionFw": "12c", "versionScript": 1, "versionConfig": 2, "status": 4, "modem": 35}
            | {"application": 195, "imei": "3512345678901234", "imsi": "250011234567890", "iccid": "8970112233445566778"}
            | {"vin": "1ABCD23E45FG67890"}},
            id="who it is",
        ),
    ],
)  # fmt: skip
def test_a_message_is_read_whole(data: bytes, row: dict[str, object]) -> None:
    received = datagram(data)
    assert (received.login, received.reply, received.rejects) == ("1020304050", b"", [])
    assert [frame.ack for frame in received.frames] == [bytes.fromhex("0201 1234") + data[10:11] + bytes(5)]  # its own type
    assert [rounded(one) for one in CODEC.decode(received.frames).columns.rows()] == [row]


@pytest.mark.parametrize(
    ("data", "login", "frames", "reply"),
    [
        pytest.param(message(0, b""), "1020304050", 0, "0201123400" + "00" * 5, id="alive"),
        pytest.param(message(0, b"", service=0), "1020304050", 0, "", id="alive, nothing wanted"),
        pytest.param(message(1, bytes(6), service=2), "1020304050", 0, "", id="it acknowledges"),
        pytest.param(message(2, place() + bytes(4), service=0), "1020304050", 1, "", id="event, nothing wanted"),
        pytest.param(message(2, place() + bytes(4), options=b""), None, 1, "", id="no options, no name"),
        pytest.param(
            message(2, place() + bytes(4), options=bytes.fromhex("ff08350123456789012f 0102 0401020304 020000 0100 0100 0100")),
            "350123456789012", 1, "", id="all options",
        ),
        pytest.param(
            message(2, place() + bytes(4), options=bytes.fromhex("c3 051020304050 0101 0103 050102030405 03564e31")),
            "1020304050", 1, "", id="an extension with ESN and VIN",
        ),
    ],
)  # fmt: skip
def test_who_and_what_is_answered(data: bytes, login: str | None, frames: int, reply: str) -> None:
    received = datagram(data)
    assert (received.login, len(received.frames), received.reply.hex()) == (login, frames, reply)


def test_a_stranger_gets_no_answer() -> None:
    for data in (EVENT, message(0, b"")):
        received = datagram(data, known=False)
        assert (received.frames, received.reply) == ([], b"")


@pytest.mark.parametrize("data", [OPTIONS, b"\xff\xff", b"\x00", message(6, b"\0"), b"\x83\x00\x01", b"\xc0\x01\x1f\x01"])
def test_what_is_no_message(data: bytes) -> None:
    received = datagram(data)
    assert (received.frames, len(received.rejects)) == ([], 1)


@pytest.mark.parametrize(
    "data", [message(2, place()), message(8, b""), message(10, SHORT[:-1]), message(4, place() + b"\0"), message(3, b"\0")]
)
def test_what_cant_be_read_becomes_a_dead_letter(data: bytes) -> None:
    decoded = CODEC.decode(datagram(data).frames)
    assert (len(decoded.columns), len(decoded.unreadable)) == (0, 1)


def test_a_connection_has_no_messages() -> None:
    session = CODEC.session()
    assert session.receive(EVENT) == Received()
    assert session.receive(bytes(2048)).close


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(max_size=12), max_size=3).map(b"".join),
    st.integers(0, 120),
    st.sampled_from([EVENT, message(3, IDENTITY)]),
)
def test_any_datagram_is_borne(noise: bytes, at: int, data: bytes) -> None:
    decoded = CODEC.decode(datagram(data[:at] + noise + data[at + len(noise) :]).frames)
    list(decoded.columns.rows())


MESSAGES = [EVENT, message(3, IDENTITY), message(10, SHORT + bytes(2)), message(0, b"")]


def test_the_laws() -> None:
    hold(CODEC, MESSAGES)
    frames = [frame for data in (EVENT, message(3, b""), message(10, SHORT + bytes(2))) for frame in datagram(data).frames]
    assert list(CODEC.decode(frames).columns.rows()) == [row for one in frames for row in CODEC.decode([one]).columns.rows()]
