"""Wialon IPS: frames with all their values, the manual's answers, and laws."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastcrc import crc16
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import ALARMS, CannotSend, Frame, Received
from protocols.commands import Answer, checked
from protocols.wialon import CODEC, LARGEST_FRAME_BYTES, Link
from telematics.simulator.fix import Fix
from telematics.simulator.wialon import Tracker

PLACE = "4315.3000;N;07656.7000;E"  # 43.255, 76.945
TIME = "150625;081530"  # the manual writes ddmmyy;hhmmss


def signed(kind: str, body: str) -> bytes:
    """A line as 2.0 has it: the crc is of all before it."""
    return f"#{kind}#{body}{crc16.arc(body.encode()):04X}\r\n".encode()


def hear(session: Link, data: bytes, *, known: bool = True) -> Received:
    """All that comes of some bytes when every login is answered the same way."""
    received = session.receive(data)
    heard = Received(received.reply, received.frames, None, received.rejects, received.close)
    while received.login is not None:
        received = session.admit(known)
        heard.reply += received.reply
        heard.frames += received.frames
        heard.rejects += received.rejects
        heard.close |= received.close
    return heard


def rows(data: bytes) -> list[dict[str, Any]]:
    return [rounded(row) for row in CODEC.decode(hear(Link(), data).frames).columns.rows()]


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4 if name not in ("latitude", "longitude") else 7) if isinstance(value, float) else value
            for name, value in row.items()}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            f"#SD#{TIME};{PLACE};61;213;154.5;9",
            {"time": "2025-06-15T08:15:30.000Z", "valid": True, "latitude": 43.255, "longitude": 76.945, "altitude_m": 154.5,
             "speed_kmh": 61.0, "course_deg": 213.0, "satellites": 9.0, "attributes": {}},
            id="short data",
        ),
        pytest.param(
            f"#SD#{TIME};3330.0000;S;07036.0000;W;0;0;-12;4",
            {"time": "2025-06-15T08:15:30.000Z", "valid": True, "latitude": -33.5, "longitude": -70.6, "altitude_m": -12.0,
             "speed_kmh": 0.0, "course_deg": 0.0, "satellites": 4.0, "attributes": {}},
            id="south and west are negative, and so are depths",
        ),
        pytest.param(
            "#SD#010126;000000.250;0006.0000;N;00006.0000;E;;;;2",
            {"time": "2026-01-01T00:00:00.250Z", "valid": False, "latitude": 0.1, "longitude": 0.1, "satellites": 2.0,
             "attributes": {}},
            id="a fraction of a second (2.1); nothing between separators is not sent; two satellites are no fix",
        ),
        pytest.param(
            f"#SD#{TIME};4315.3000;N;07656.7000;E;NA;NA;NA;NA",
            {"time": "2025-06-15T08:15:30.000Z", "valid": False, "latitude": 43.255, "longitude": 76.945, "attributes": {}},
            id="without satellites nobody vouches for the place",
        ),
        pytest.param(
            f"#SD#{TIME};4275.3000;N;07596.7000;E;0;155;965;7",
            {"time": "2025-06-15T08:15:30.000Z", "valid": True, "latitude": 43.255, "longitude": 76.6116667, "altitude_m": 965.0,
             "speed_kmh": 0.0, "course_deg": 155.0, "satellites": 7.0, "attributes": {}},
            id="minutes past sixty, as some trackers count",
        ),
        pytest.param(
            "#SD#NA;NA;NA;NA;NA;NA;NA;NA;NA;NA",
            {"time": None, "valid": False, "attributes": {}, "no_fix": True},
            id="all NA: the server's time, no place",
        ),
        pytest.param(
            f"#SD#{TIME};NA;NA;NA;NA;0;NA;NA;0",
            {"time": "2025-06-15T08:15:30.000Z", "valid": False, "latitude": 0.0, "longitude": 0.0, "speed_kmh": 0.0,
             "satellites": 0.0, "attributes": {}},
            id="speed without a place stands at 0, 0, not valid, as in Traccar",
        ),
        pytest.param(
            f"#D#{TIME};{PLACE};61;213;154;9;1.1;5;2;14.77,0.02,NA,3.6;0A1B2C;count1:1:564,fuel:2:45.8,hw:3:V4.5",
            {"time": "2025-06-15T08:15:30.000Z", "valid": True, "latitude": 43.255, "longitude": 76.945, "altitude_m": 154.0,
             "speed_kmh": 61.0, "course_deg": 213.0, "satellites": 9.0,
             "attributes": {"hdop": 1.1, "input": 5, "output": 2, "adc1": 14.77, "adc2": 0.02, "adc4": 3.6,
                            "driverUniqueId": "0A1B2C", "count1": 564, "fuel": 45.8, "hw": "V4.5"}},
            id="extended data, with the parameters of the manual's example",
        ),
        pytest.param(
            f"#D#{TIME};{PLACE};0;0;0;9;NA;NA;NA;;NA;SOS:1:1,Ignition:1:1,motion:3:false,pwr_ext:2:12.4,pwr_int:2:3.9,"
            "batteryLevel:1:77,odometer:2:1234.5,rssi:1:21,accuracy:2:4.5,alarm:3:door",
            {"time": "2025-06-15T08:15:30.000Z", "valid": True, "latitude": 43.255, "longitude": 76.945, "altitude_m": 0.0,
             "speed_kmh": 0.0, "course_deg": 0.0, "satellites": 9.0, "accuracy_m": 4.5, "ignition": True, "motion": False,
             "power_v": 12.4, "battery_v": 3.9, "battery_percent": 77.0, "odometer_m": 1234.5, "gsm": 21.0, "alarm": "sos,door",
             "attributes": {}},
            id="parameters that have columns, and the alarm button",
        ),
        pytest.param(
            f"#D#{TIME};{PLACE};0;0;0;9;NA;NA;NA;NA;NA;text:3:left, then right,odd,n:1:many,"
            "ignition:3:maybe,SOS:1:0,x:2:1e3,:1:5,",
            {"time": "2025-06-15T08:15:30.000Z", "valid": True, "latitude": 43.255, "longitude": 76.945, "altitude_m": 0.0,
             "speed_kmh": 0.0, "course_deg": 0.0, "satellites": 9.0,
             "attributes": {"text": "left, then right,odd", "n": "many", "ignition": "maybe", "sos": 0, "x": 1000.0,
                            "params": ":1:5"}},
            id="odd parameters are kept as text; none costs the fix",
        ),
        pytest.param(
            f"#D#{TIME};{PLACE};0;0;0;9;0.9;1",
            {"time": "2025-06-15T08:15:30.000Z", "valid": True, "latitude": 43.255, "longitude": 76.945, "altitude_m": 0.0,
             "speed_kmh": 0.0, "course_deg": 0.0, "satellites": 9.0, "attributes": {"hdop": 0.9, "input": 1}},
            id="extended data cut short is read as far as it goes",
        ),
        pytest.param(
            "#M#wheel is flat",
            {"time": None, "valid": False, "attributes": {"result": "wheel is flat"}, "no_fix": True},
            id="a message of the driver",
        ),
    ],
)  # fmt: skip
def test_a_line_is_read_whole(line: str, expected: dict[str, Any]) -> None:
    assert rows(line.encode() + b"\r\n") == [expected]


def test_cyrillic_in_utf8_and_in_windows_1251_is_the_same() -> None:
    line = f"#D#{TIME};{PLACE};0;0;0;9;NA;NA;NA;NA;NA;Батарея:3:полна\n"
    assert rows(line.encode()) == rows(line.encode("cp1251"))
    assert rows(line.encode())[0]["attributes"] == {"батарея": "полна"}


def test_no_nul_reaches_the_database() -> None:
    assert rows(b"#M#a\0b\r\n")[0]["attributes"] == {"result": "ab"}


def test_a_black_box_holds_short_and_extended_records_in_their_order() -> None:
    first, second = f"{TIME};{PLACE};1;2;3;4", f"150625;081630;{PLACE};5;6;7;8;NA;NA;NA;NA;NA;fuel:2:45.8"
    for line in (f"#B#{first}|{second}\r\n".encode(), f"#B#{first}|{second}|\r\n".encode(), signed("B", f"{first}|{second}|")):
        heard = hear(Link(), line)
        assert [frame.ack for frame in heard.frames] == [b"#AB#2\r\n"]
        got = list(CODEC.decode(heard.frames).columns.rows())
        assert [(row["time"], row["speed_kmh"], row["attributes"]) for row in got] == [
            ("2025-06-15T08:15:30.000Z", 1.0, {"archive": True}),
            ("2025-06-15T08:16:30.000Z", 5.0, {"fuel": 45.8, "archive": True}),
        ]


def test_a_bad_record_costs_only_itself() -> None:
    good = f"{TIME};{PLACE};1;2;3;4"
    heard = hear(Link(), f"#B#{good}|{TIME};x|{good}\r\n#B#x|y\r\n#B#\r\n".encode())
    decoded = CODEC.decode(heard.frames)
    assert decoded.columns.frame.tolist() == [0, 0]
    assert [(bad.frame, bad.reason, bad.ack) for bad in decoded.unreadable] == [
        (0, "the number of fields of record 2 can't be read, of 3 records", None),
        (1, "the number of fields of record 1, the number of fields of record 2 can't be read, of 2 records", b"#AB#0\r\n"),
        (2, "any record can't be read, of 0 records", b"#AB#0\r\n"),
    ]


@pytest.mark.parametrize(
    ("line", "answer"),
    [  # the manual's tables of ASD and AD
        (f"#SD#{TIME};{PLACE};1;2;3", b"#ASD#-1\r\n"),
        (f"#SD#310225;081530;{PLACE};1;2;3;4", b"#ASD#0\r\n"),
        (f"#SD#150625;248130;{PLACE};1;2;3;4", b"#ASD#0\r\n"),
        (f"#SD#{TIME};north;N;07656.7000;E;1;2;3;4", b"#ASD#10\r\n"),
        (f"#SD#{TIME};9144.6025;N;07656.7000;E;1;2;3;4", b"#ASD#10\r\n"),
        (f"#SD#{TIME};4315.3000;NA;07656.7000;E;1;2;3;4", b"#ASD#10\r\n"),
        (f"#SD#{TIME};{PLACE};fast;2;3;4", b"#ASD#11\r\n"),
        (f"#SD#{TIME};{PLACE};1;361;3;4", b"#ASD#11\r\n"),
        (f"#SD#{TIME};{PLACE};1;2;high;4", b"#ASD#11\r\n"),
        (f"#SD#{TIME};{PLACE};nan;2;3;4", b"#ASD#11\r\n"),
        (f"#SD#{TIME};{PLACE};1;2;3;few", b"#ASD#12\r\n"),
        (f"#D#{TIME};{PLACE};1;2;3;4;x;NA;NA;NA;NA;NA", b"#AD#12\r\n"),
        (f"#D#{TIME};{PLACE};1;2;3;4;NA;x;NA;NA;NA;NA", b"#AD#13\r\n"),
        (f"#D#{TIME};{PLACE};1;2;3;4;NA;NA;x;NA;NA;NA", b"#AD#13\r\n"),
        (f"#D#{TIME};{PLACE};1;2;3;4;NA;NA;NA;1,x;NA;NA", b"#AD#14\r\n"),
    ],
)
def test_what_is_wrong_is_said_in_the_manuals_codes(line: str, answer: bytes) -> None:
    decoded = CODEC.decode(hear(Link(), line.encode() + b"\r\n").frames)
    assert len(decoded.columns) == 0
    assert [bad.ack for bad in decoded.unreadable] == [answer]


@pytest.mark.parametrize(
    ("login", "known", "reply", "close"),
    [
        (b"#L#imei;password\r\n", True, b"#AL#1\r\n", False),
        (b"#L#imei;NA\n", False, b"#AL#0\r\n", True),
        (signed("L", "2.0;imei;NA;"), True, b"#AL#1\r\n", False),
        (signed("L", "2.1;imei;na;").lower().replace(b"#l#", b"#L#"), True, b"#AL#1\r\n", False),
        (b"#L#2.0;imei;NA;0000\r\n", True, b"#AL#10\r\n", False),
        (b"#L#;password\r\n", True, b"#AL#0\r\n", True),
    ],
)
def test_logins_of_both_versions(login: bytes, known: bool, reply: bytes, close: bool) -> None:
    session = Link()
    received = session.receive(login)
    if received.login is not None:
        assert (received.login, received.reply) == ("imei", b"")
        received = session.admit(known)
    assert (received.reply, received.close) == (reply, close)


@pytest.mark.parametrize(
    ("kind", "body", "answer", "ack"),
    [
        ("SD", f"{TIME};{PLACE};1;2;3;4;", b"#ASD#13\r\n", b"#ASD#1\r\n"),
        ("D", f"{TIME};{PLACE};1;2;3;4;NA;NA;NA;NA;NA;NA;", b"#AD#16\r\n", b"#AD#1\r\n"),
        ("B", f"{TIME};{PLACE};1;2;3;4|", b"#AB#\r\n", b"#AB#1\r\n"),
        ("M", "hello;", b"#AM#01\r\n", b"#AM#1\r\n"),
    ],
)
def test_a_wrong_crc_is_said_at_once(kind: str, body: str, answer: bytes, ack: bytes) -> None:
    login = signed("L", "2.0;imei;NA;")
    good = hear(Link(), login + signed(kind, body))
    assert ([frame.ack for frame in good.frames], good.rejects) == ([ack], [])
    for wrong in (b"0000", b"", b"xyz"):
        bad = hear(Link(), login + f"#{kind}#{body}".encode() + wrong + b"\r\n")
        assert (bad.reply, bad.frames) == (b"#AL#1\r\n" + answer, [])
        assert [reject.reason for reject in bad.rejects] == ["the crc is wrong"]
    if kind != "M":  # the count of fields tells that it has one, without any login
        assert hear(Link(), f"#{kind}#{body}0000\r\n".encode()).reply == answer


def test_a_heartbeat_is_answered_at_once() -> None:
    assert Link().receive(b"#P#\r\n") == Received(b"#AP#\r\n")


def test_an_id_in_front_of_the_packet_is_a_login() -> None:
    session = Link(whole=True)  # a datagram, whose last line needs no end
    assert session.receive(f"2.0;357#SD#{TIME};{PLACE};1;2;3;4;".encode() + b"%04X" % crc16.arc(
        f"{TIME};{PLACE};1;2;3;4;".encode())).login == "357"  # fmt: skip
    assert [frame.ack for frame in session.admit(True).frames] == [b"#ASD#1\r\n"]
    assert Link(whole=True).receive(b"357#P#").login == "357"


def test_one_connection_may_carry_several_trackers() -> None:
    session = Link()
    line = f"#SD#{TIME};{PLACE};1;2;3;4\r\n".encode()
    assert session.receive(b"1" + line + b"1" + line + b"2" + line + line + b"1" + line).login == "1"
    received = session.admit(True)
    assert (len(received.frames), received.login) == (2, "2")
    received = session.admit(False)  # its packet, and the one behind it that names nobody, are not kept
    assert (received.frames, received.login, received.close) == ([], "1", False)
    assert [reject.reason for reject in received.rejects] == ["the tracker has not logged in"]
    assert len(session.admit(True).frames) == 1


def test_a_compressed_container_is_the_line_in_it() -> None:
    line = f"#SD#{TIME};{PLACE};1;2;3;4\r\n".encode()
    packed = zlib.compress(line)
    container = b"\xff" + len(packed).to_bytes(2, "little") + packed
    assert hear(Link(), container + line + container).frames == hear(Link(), line * 3).frames
    assert hear(Link(whole=True), container).frames == hear(Link(), line).frames
    assert [reject.reason for reject in Link(whole=True).receive(container[:-1]).rejects] == [
        "the compressed packet is cut short"
    ]


@pytest.mark.parametrize("text", [b"\r\n" * 5000, b"#P#\r\n" * 3, b"#M#" + b"a" * 10**6, b"\xff\0\0", b""])
def test_a_container_that_would_keep_us_busy_is_refused(text: bytes) -> None:
    packed = zlib.compress(text)
    received = Link().receive(b"\xff" + len(packed).to_bytes(2, "little") + packed + b"#P#\r\n")
    assert [reject.reason for reject in received.rejects] == ["the compressed packet can't be inflated"]
    assert received.reply == b"#AP#\r\n"


def test_photos_are_declined_and_their_bytes_pass() -> None:
    session, photo = Link(), b"\r\n#P#\r\n" * 100
    data = b"#I#%d;3;7;150625;081530;a.jpg\r\n" % len(photo) + photo + b"#IT#150625;081530;driver;1;1\r\n#P#\r\n"
    received = session.receive(data)
    assert received.reply == b"#AI#3;0\r\n#AIT#0\r\n#AP#\r\n"
    assert [reject.reason for reject in received.rejects] == ["packets of type I are not kept", "packets of type IT are not kept"]


def test_what_is_no_wialon_is_hung_up_on_but_noise_is_forgiven() -> None:
    assert Link().receive(b"GET / HTTP/1.1\r\n").close
    received = Link().receive(b"#P#\r\nnoise\r\n#UC#5;1\r\n#P#\r\n")
    assert (received.reply, received.close, len(received.rejects)) == (b"#AP#\r\n#AP#\r\n", False, 2)


def test_a_line_without_end_is_bounded() -> None:
    session, received = Link(), Received()
    for _ in range(LARGEST_FRAME_BYTES // 65536 + 1):
        received = session.receive(b"#" * 65536)
    assert received.close
    assert session.receive(b"#P#\r\n") == Received()
    assert not session.buffer


# --- Laws --------------------------------------------------------------------------------------------------------------------

FIXES = st.builds(
    Fix,
    time=st.datetimes(datetime(2000, 1, 1), datetime(2068, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    altitude_m=st.floats(-400, 9000),
    speed_kmh=st.floats(0, 300),
    course_deg=st.floats(0, 360),
    satellites=st.integers(3, 40),
    ignition=st.booleans(),
    power_v=st.floats(0, 48),
    battery_percent=st.integers(0, 100),
    gsm=st.integers(0, 31),
    odometer_m=st.integers(0, 10**9),
    alarm=st.sampled_from((None, *ALARMS)),
)
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\r\n", b"\n", b"#", b"#P#\r\n", b"#L#1;NA\r\n", b"2;#SD#", b"#SD#", b"#B#", b"#D#", b"|", b"\xff\x05\x00",
             b"#I#9;1\n",
             f"#SD#{TIME};{PLACE};1;2;3;4\r\n".encode(), signed("L", "2.0;1;NA;"), signed("SD", f"{TIME};{PLACE};1;2;3;4;"),
             b"\xff" + len(zlib.compress(b"#P#")).to_bytes(2, "little") + zlib.compress(b"#P#")]
        ),
        st.binary(max_size=12),
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(PIECES, st.lists(st.integers(0, 200), max_size=6), st.booleans())
def test_any_cut_gives_the_same(data: bytes, cuts: list[int], known: bool) -> None:
    whole = hear(Link(), data, known=known)
    session, got = Link(), Received()
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in pairwise(edges):
        part = hear(session, data[start:end], known=known)
        got = Received(
            got.reply + part.reply, got.frames + part.frames, None, got.rejects + part.rejects, got.close or part.close
        )
    assert (got.reply, got.frames, got.close) == (whole.reply, whole.frames, whole.close)
    assert [str(reject) for reject in got.rejects] == [str(reject) for reject in whole.rejects]


@settings(max_examples=100, deadline=None)
@given(PIECES, st.sampled_from(["SD", "D", "B", "M"]))
def test_any_bytes_are_read_or_named_unreadable(data: bytes, kind: str) -> None:
    for session in (Link(), Link(whole=True)):
        decoded = CODEC.decode(hear(session, data).frames)
        list(decoded.columns.rows())
        assert len(session.buffer) <= len(data)
    decoded = CODEC.decode([Frame(kind, data)])
    list(decoded.columns.rows())
    assert len(decoded.columns) or decoded.unreadable


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("0123456789;.,:|NASEW-abc\0é", max_size=60).map(lambda t: Frame("D", f"{TIME};{PLACE};{t}".encode()))))
def test_many_together_are_what_they_are_one_by_one(frames: list[Frame]) -> None:
    together = CODEC.decode(frames)
    alone = [CODEC.decode([frame]) for frame in frames]
    assert list(together.columns.rows()) == [row for one in alone for row in one.columns.rows()]
    assert together.columns.frame.tolist() == [n for n, one in enumerate(alone) for _ in range(len(one.columns))]
    assert [(bad.frame, bad.reason) for bad in together.unreadable] == [
        (n, bad.reason) for n, one in enumerate(alone) for bad in one.unreadable
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(FIXES, min_size=1, max_size=4))
def test_what_the_simulator_says_is_understood_both_ways(fixes: list[Fix]) -> None:
    tracker, session = Tracker("123456789012345"), Link()
    assert session.receive(tracker.hello()).login == tracker.unique_id
    assert (tracker.receive(session.admit(True).reply), tracker.accepted) == (0, True)
    received = session.receive(tracker.report(fixes))
    assert tracker.receive(b"".join(frame.ack for frame in received.frames)) == len(fixes)
    for row, fix in zip(CODEC.decode(received.frames).columns.rows(), fixes, strict=True):
        assert datetime.fromisoformat(row["time"]) == fix.time
        assert (row["valid"], row["ignition"], row.get("alarm")) == (True, fix.ignition, fix.alarm)
        near = pytest.approx
        assert (row["latitude"], row["longitude"]) == (near(fix.latitude, abs=1e-8), near(fix.longitude, abs=1e-8))
        assert (row["speed_kmh"], row["course_deg"]) == (near(fix.speed_kmh, abs=0.01), near(fix.course_deg, abs=0.1))
        assert (row["altitude_m"], row["power_v"]) == (near(fix.altitude_m, abs=0.1), near(fix.power_v, abs=0.001))
        told = (row["satellites"], row["battery_percent"], row["gsm"], row["odometer_m"])
        assert told == (fix.satellites, fix.battery_percent, fix.gsm, fix.odometer_m)


def test_the_simulator_hears_a_refusal_and_cut_answers() -> None:
    tracker = Tracker("1")
    assert (tracker.receive(b"#AL#0\r\n"), tracker.accepted) == (0, False)
    assert [tracker.receive(bytes([byte])) for byte in b"#AB#3\r\n#AD#16\r\n"] == [0] * 6 + [3] + [0] * 8


# --- Real packets ------------------------------------------------------------------------------------------------------------

SCORER = Path(__file__).parents[2].parent / "shared" / "tools" / "packet-score"


@pytest.mark.skipif(not SCORER.exists(), reason="the collection of real packets is not beside the project")
def test_real_packets_are_read() -> None:
    command = [sys.executable, str(SCORER), "--json", "--telematics", str(Path(sys.executable).with_name("telematics")), "wialon"]
    right, count = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0])[
        "wialon"
    ]
    assert right >= 0.95 * count


@pytest.mark.parametrize(
    ("name", "parameters", "line"),
    [
        ("custom", {"data": "setparam 1 2"}, b"setparam 1 2\r\n"),
        ("deviceIdentification", {}, b"VER?\r\n"),
        ("message", {"message": "come home"}, b"#M#come home\r\n"),
        ("outputControl", {"index": 2, "data": "1"}, b"L2=1\r\n"),
        ("rebootDevice", {}, b"reboot\r\n"),
        ("sendUssd", {"phone": "*100#"}, b"USSD:*100#\r\n"),
    ],
)
def test_a_command_is_a_line(name: str, parameters: dict[str, Any], line: bytes) -> None:
    assert Link().command(checked(name, parameters), 1, "") == line
    assert name in CODEC.commands


def test_a_message_has_a_crc_where_the_tracker_speaks_2_0() -> None:
    session = Link()
    hear(session, signed("L", "2.0;T1;NA;"))
    told = session.command(checked("message", {"message": "привет"}), 1, "")
    assert told == signed("M", "привет;")


def test_what_follows_a_command_is_its_answer() -> None:
    session = Link()
    hear(session, b"#L#T1;NA\r\n")
    assert session.receive(b"#M#I am late\r\n").answers == []
    for said, answer in [
        (b"#AM#1\r\n", Answer("1", ok=True)),
        (b"#AM#0\r\n", Answer("0", ok=False)),
        (b"#M#done\r\n", Answer("done")),
        (b"VER 1.2; OK\r\n", Answer("VER 1.2; OK")),
    ]:
        session.command(checked("rebootDevice", {}), 1, "")
        received = session.receive(said)
        assert (received.answers, received.rejects) == ([answer], [])
        assert session.receive(said).answers == []
    session.command(checked("rebootDevice", {}), 1, "")
    (frame,) = session.receive(b"VER 1.2\r\n").frames
    assert [row["attributes"] for row in CODEC.decode([frame]).columns.rows()] == [{"result": "VER 1.2"}]


def test_a_command_without_words_says_so() -> None:
    with pytest.raises(CannotSend, match="wialon has no engineStop; it has custom"):
        Link().command(checked("engineStop", {}), 1, "")
