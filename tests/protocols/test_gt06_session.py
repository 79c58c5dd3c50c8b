"""GT06: how a session answers, what a tracker can be told, and the laws."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import CannotSend, Frame, Received
from protocols.commands import Answer, checked
from protocols.gt06 import CODEC, Stream, decode
from protocols.gt06.stream import LARGEST_FRAME_BYTES
from telematics.simulator.fix import Fix
from telematics.simulator.gt06 import ALARM_CODES, Tracker
from tests.protocols.test_gt06 import CELL, IMEI, PLACE, ROOT, SCORE, logged_in, long, rows, short, state

# Sessions


def test_a_login_waits_for_its_answer_and_what_is_behind_waits_with_it() -> None:
    stream, location = Stream(), short(f"22 {PLACE} {CELL} 010000", serial=2)
    received = stream.receive(short(f"01 0{IMEI}", serial=7) + location)
    assert (received.login, received.reply, received.frames) == (IMEI, b"", [])
    received = stream.admit(True)
    assert received.reply == short("01", serial=7)
    assert [(frame.kind, frame.ack) for frame in received.frames] == [("0x22", short("22", serial=2))]


def test_an_unknown_tracker_is_not_answered() -> None:
    stream = Stream()
    stream.receive(short(f"01 0{IMEI}") + short(f"22 {PLACE} {CELL} 010000"))
    received = stream.admit(False)
    assert (received.reply, received.frames, received.close) == (b"", [], True)
    assert stream.receive(short("13 46 06 04 00 02")) == Received(close=True)


def test_the_examples_of_logins_in_the_manual() -> None:
    assert Stream().receive(bytes.fromhex("78780D01 0123456789012345 0001 8CDD 0D0A")).login == "123456789012345"


@pytest.mark.parametrize(
    ("raw", "reply", "kinds"),
    [
        pytest.param(short("13 46 06 04 00 02", 3), short("13", 3), ["0x13"], id="heartbeat"),
        pytest.param(short("23 C0 0131 03 0001", 3), short("23", 3), ["0x23"], id="heartbeat of GK310"),
        pytest.param(short("8A", 6), short("8A 18021D173B3A", 6), [], id="what time is it"),
        pytest.param(
            short(f"2A {PLACE} {'00' * 21} 0001", 5),
            long("97 0B 00000000" + b"NA&&NA&&0##".hex(), 5),
            [],
            id="which address is it",
        ),
    ],
)
def test_questions_are_answered_at_once(raw: bytes, reply: bytes, kinds: list[str]) -> None:
    received = logged_in().receive(raw)
    assert (received.reply, [frame.kind for frame in received.frames]) == (reply, kinds)
    assert all(frame.ack == b"" for frame in received.frames)


def test_a_heartbeat_before_the_login_is_not_answered() -> None:
    assert Stream().receive(short("13 46 06 04 00 02")).reply == b""


@pytest.mark.parametrize(
    ("raw", "ack"),
    [
        pytest.param(short("22 00", 9), short("22", 9), id="location"),
        pytest.param(short("26 00", 9), short("26", 9), id="alarm"),
        pytest.param(long("94 00 0000", 9), b"", id="information has no reply"),
        pytest.param(long("70 00", 9), short("70", 9), id="long frames have a short reply"),
        pytest.param(long("33 00", 9), long("33", 9), id="but not AZ735's"),
        pytest.param(
            bytes.fromhex("787800 17 240305070809 00 0191 02 0D0A"),
            bytes.fromhex("787800 17 240305070809 0D0A"),
            id="Wi-Fi: the date",
        ),
        pytest.param(short("FE 00", 9), short("FE", 9), id="an unknown kind is kept, so it is answered"),
    ],
)
def test_acknowledgements(raw: bytes, ack: bytes) -> None:
    assert [frame.ack for frame in logged_in().receive(raw).frames] == [ack]


def test_a_wrong_checksum_is_not_acknowledged_and_harms_no_neighbour() -> None:
    good = short(f"22 {PLACE} {CELL} 010000")
    bad = good[:10] + b"\xff" + good[11:]
    received = logged_in().receive(good + bad + good)
    assert [frame.kind for frame in received.frames] == ["0x22", "0x22"]
    assert [(reject.reason, reject.frame) for reject in received.rejects] == [("the checksum is wrong", bad)]


@pytest.mark.parametrize(
    "stray",
    [b"GET / HTTP/1.1\r\n\r\n", b"x", b"yyyy", b"xx\x20\x12 the length lies", b"yy\x00\x04\x94 too short", bytes(100)],
)
def test_a_stream_out_of_step_finds_the_next_frame(stray: bytes) -> None:
    good = short(f"22 {PLACE} {CELL} 010000")
    stream = logged_in()
    received = stream.receive(good + stray + good * 5)
    assert [frame.kind for frame in received.frames].count("0x22") == 6
    assert len(received.rejects) == 1


def test_who_does_not_speak_gt06_is_hung_up_on() -> None:
    stream = logged_in()
    answers = [stream.receive(bytes(1000)) for _ in range(20)]
    assert [answer.close for answer in answers].index(True) == LARGEST_FRAME_BYTES // 1000
    assert sum(len(answer.rejects) for answer in answers) == 1


def test_a_bare_place_counts_its_content_alone() -> None:
    received = logged_in().receive(bytes.fromhex(f"7878 12 10 {PLACE} 0D0A"))
    assert next(iter(decode(received.frames).columns.rows()))["latitude"] == pytest.approx(43.25)


# Laws

FRAMES = st.one_of(
    st.builds(lambda kind, content, serial: short(f"{kind:02x}" + content.hex(), serial),
              st.integers(0x10, 0xFF), st.binary(max_size=60), st.integers(0, 0xFFFF)),
    st.builds(lambda kind, content, serial: long(f"{kind:02x}" + content.hex(), serial),
              st.integers(0x10, 0xFF), st.binary(max_size=80), st.integers(0, 0xFFFF)),
    st.sampled_from([short(f"22 {PLACE} {CELL} 010000"), short(f"01 0{IMEI} 2001 3200"), short("13 46 06 04 00 02"),
                     bytes.fromhex("787801 69 240305070809 1801EB4039D1 2D 01 0191 02 5249 27DB 5A 0D0A")]),
    st.binary(max_size=12),
    st.sampled_from([b"xx", b"yy", b"x", b"xx\x05", b"yy\x00\x20", b"\r\n"]),
)  # fmt: skip


def read_in_pieces(pieces: list[bytes]) -> tuple[list[Frame], bytes, list[str], int]:
    """What comes of a stream: frames, replies, logins, rejects. Every login is admitted."""
    stream = Stream()
    frames: list[Frame] = []
    reply, logins, rejects = b"", [], 0
    for piece in pieces:
        received = stream.receive(piece)
        while True:
            frames += received.frames
            reply += received.reply
            rejects += len(received.rejects)
            if received.login is None:
                break
            logins.append(received.login)
            received = stream.admit(True)
        assert len(stream._rest) <= LARGEST_FRAME_BYTES
    return frames, reply, logins, rejects


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(FRAMES, max_size=8), data=st.data())
def test_any_cut_gives_the_same_frames(parts: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    whole = read_in_pieces([wire])
    assert read_in_pieces(pieces) == whole
    assert read_in_pieces([wire[place : place + 1] for place in range(len(wire))]) == whole


@settings(max_examples=100, deadline=None)
@given(frames=st.lists(
    st.builds(Frame, kind=st.sampled_from(
        [f"0x{kind:02x}{form}" for kind in range(256) for form in ("", " long")] + ["wifi", "0x22", "0x16", "0x13"]),
        payload=st.one_of(st.binary(max_size=90), st.binary(max_size=60).map(lambda tail: bytes.fromhex(PLACE) + tail)),
        context=st.sampled_from([0, 18000, -3600])),
    max_size=30))  # fmt: skip
def test_many_together_equal_one_by_one(frames: list[Frame]) -> None:
    together = decode(frames)
    assert sorted([*together.columns.frame.tolist(), *(bad.frame for bad in together.unreadable)]) == list(range(len(frames)))
    assert together.columns.frame.tolist() == sorted(together.columns.frame.tolist())
    alone = [decode([frame]) for frame in frames]
    assert [row for one in alone for row in one.columns.rows()] == list(together.columns.rows())
    assert [bad.reason for one in alone for bad in one.unreadable] == [bad.reason for bad in together.unreadable]


FIXES = st.builds(
    Fix,
    time=st.integers(946684800, 4102444799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    speed_kmh=st.integers(0, 255).map(float),
    course_deg=st.integers(0, 359).map(float),
    satellites=st.integers(0, 15),
    ignition=st.booleans(),
    battery_percent=st.integers(7, 100),
    gsm=st.integers(0, 4),
    odometer_m=st.integers(0, 2**32 - 1),
    alarm=st.one_of(st.none(), st.sampled_from(sorted(ALARM_CODES))),
)


@settings(max_examples=60, deadline=None)
@given(fixes=st.lists(FIXES, min_size=1, max_size=10))
def test_what_the_simulator_builds_the_decoder_reads_back(fixes: list[Fix]) -> None:
    tracker = Tracker(IMEI)
    stream = Stream()
    assert stream.receive(tracker.hello()).login == IMEI
    assert (tracker.receive(stream.admit(True).reply), tracker.accepted) == (0, True)
    received = stream.receive(tracker.report(fixes))
    acks = b"".join(frame.ack for frame in received.frames)
    assert tracker.receive(acks[:7]) + tracker.receive(acks[7:]) == len(fixes)
    for fix_sent, row in zip(fixes, decode(received.frames).columns.rows(), strict=True):
        assert datetime.fromisoformat(row["time"]) == fix_sent.time
        assert row["latitude"] == pytest.approx(fix_sent.latitude, abs=3e-7)
        assert row["longitude"] == pytest.approx(fix_sent.longitude, abs=3e-7)
        for name in ("speed_kmh", "course_deg", "satellites", "ignition"):
            assert row[name] == getattr(fix_sent, name)
        if fix_sent.alarm is None:
            assert row["odometer_m"] == fix_sent.odometer_m
        else:
            assert row["alarm"] == fix_sent.alarm


# The simulated tracker


def test_the_simulator_s_heartbeat() -> None:
    moment = Fix(time=datetime(2024, 3, 5, tzinfo=UTC), latitude=43.25, longitude=76.95, battery_percent=88, gsm=3)
    assert rows(Tracker(IMEI).status(moment)) == [
        state({"status": 70, "charge": True, "blocked": False}, ignition=True, battery_percent=88, gsm=3)
    ]


def test_the_simulator_counts_serials_and_heeds_no_damaged_answer() -> None:
    tracker = Tracker(IMEI)
    moment = Fix(time=datetime(2024, 3, 5, tzinfo=UTC) + timedelta(minutes=1), latitude=0.0, longitude=0.0)
    tracker.hello()
    assert tracker.report([moment, moment])[-6:-4] == b"\x00\x03"
    damaged = bytearray(short("22", 2))
    damaged[4] ^= 1
    assert tracker.receive(bytes(damaged) + short("13", 4) + short("22", 3)) == 1
    assert tracker.accepted is None


@pytest.mark.parametrize("unique_id", ["", "12345", "86279805017511x", "٨٦٢٧٩٨٠٥٠١٧٥١١٢"])
def test_the_simulator_wants_an_imei(unique_id: str) -> None:
    with pytest.raises(ValueError, match="IMEI"):
        Tracker(unique_id)


@pytest.mark.skipif(not SCORE.exists(), reason="the collection of packets is not beside the project")
def test_real_packets() -> None:
    run = subprocess.run(
        [sys.executable, SCORE, "--json", "gt06", "--telematics", f"{sys.executable} -m telematics"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    right, count = json.loads(run.stdout.splitlines()[0])["gt06"]
    assert count > 0
    assert right / count >= 0.95


def test_the_codec_says_what_it_is() -> None:
    assert (CODEC.name, CODEC.port, CODEC.transports, CODEC.largest_frame_bytes) == ("gt06", 5023, ("tcp",), LARGEST_FRAME_BYTES)


COMMANDS = [
    pytest.param("engineStop", {}, "", "RELAY,1#", id="cut the fuel"),
    pytest.param("engineResume", {}, "", "RELAY,0#", id="restore it"),
    pytest.param("engineStop", {}, "000000", "DYD,000000#", id="cut it, of a tracker with a password"),
    pytest.param("engineResume", {}, "000000", "HFYD,000000#", id="restore it, with a password"),
    pytest.param("custom", {"data": "APN,internet#"}, "", "APN,internet#", id="own words"),
    pytest.param("positionSingle", {}, "", "WHERE#", id="where"),
    pytest.param("positionPeriodic", {"frequency": 30}, "", "TIMER,30,30#", id="every half minute"),
    pytest.param("rebootDevice", {}, "", "RESET#", id="restart"),
    pytest.param("factoryReset", {}, "", "FACTORY#", id="as new"),
    pytest.param("getVersion", {}, "", "VERSION#", id="version"),
    pytest.param("getDeviceStatus", {}, "", "STATUS#", id="status"),
    pytest.param("deviceIdentification", {}, "", "PARAM#", id="who"),
    pytest.param("setTimezone", {"timezone": "-03:30"}, "", "GMT,W,3,30#", id="west"),
    pytest.param("setTimezone", {"timezone": "UTC+8"}, "", "GMT,E,8,0#", id="east"),
    pytest.param("setConnection", {"server": "gps.example.com", "port": 5023}, "", "SERVER,1,gps.example.com,5023,0#", id="name"),
    pytest.param("setConnection", {"server": "192.0.2.7", "port": 5023}, "", "SERVER,0,192.0.2.7,5023,0#", id="address"),
    pytest.param("alarmSpeed", {"data": 120}, "", "SPEED,ON,20,120,0#", id="too fast"),
    pytest.param("alarmSpeed", {"data": 0}, "", "SPEED,OFF#", id="never too fast"),
    pytest.param("sosNumber", {"index": 2, "phone": "+77010000000"}, "", "SOS,A,,+77010000000#", id="the second number"),
]


@pytest.mark.parametrize(("name", "parameters", "password", "text"), COMMANDS)
def test_a_command_is_a_frame_of_0x80_and_the_same_words_by_sms(
    name: str, parameters: dict[str, Any], password: str, text: str
) -> None:
    command = checked(name, parameters)
    own = f"{4 + len(text):02x} 00000102"
    assert logged_in().command(command, 0x102, password) == short(f"80 {own} {text.encode().hex()}", serial=0x102)
    assert CODEC.sms is not None
    assert CODEC.sms(command, password) == text
    assert name in CODEC.commands


def test_the_manuals_command() -> None:
    """The example of Concox' manual, but for the serial that it puts into the server's own bytes."""
    told = Stream().command(checked("custom", {"data": "DYD,000000#"}), 1, "")
    assert told[:-4] == bytes.fromhex("78781580 0f 00000001 4459442c30303030303023 0001")


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("custom", {"data": "привет"}, "at most 240 letters"),
        ("custom", {"data": "x" * 241}, "at most 240 letters"),
        ("sosNumber", {"index": 4, "phone": "1"}, "keeps 3 emergency numbers"),
        ("powerOff", {}, "gt06 has no powerOff; it has custom"),
    ],
)
def test_a_command_without_words_says_so(name: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(CannotSend, match=says):
        Stream().command(checked(name, parameters), 1, "")


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (short("15 10 00000102" + b"DYD=Success!".hex() + "0002"), Answer("DYD=Success!", 0x102, True)),
        (short("15 00 00000000" + b"DYD=Unvalued Fail!".hex() + "00"), Answer("DYD=Unvalued Fail!", None, False)),
        (long("21 00000007 01" + b"IMEI:861234058127369;TIMER,10".hex()), Answer("IMEI:861234058127369;TIMER,10", 7, None)),
        (long("21 00000008 02" + "OK!".encode("utf-16-be").hex()), Answer("OK!", 8, True)),
    ],
)
def test_an_answer_names_its_command(raw: bytes, answer: Answer) -> None:
    received = logged_in().receive(raw)
    assert received.answers == [answer]
    (row,) = decode(received.frames).columns.rows()
    assert row["attributes"]["result"] == answer.text


def test_what_is_no_answer_is_none() -> None:
    assert logged_in().receive(short("15") + long("21 00")).answers == []
    assert logged_in().receive(short("13 45 06 04 0001")).answers == []
