"""`telematics detect`: hex, text, files and captures, and how often it is right."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from typer.testing import CliRunner

import protocols
from telematics.cli import app
from telematics.commands.captures import LARGEST_TALK_BYTES, Talk, conversations, talks_of
from telematics.commands.decode import http_request
from telematics.commands.detect import LOOKED_AT_BYTES, guess
from telematics.simulator import gt06, teltonika
from telematics.simulator.wires import UDP_WIRES, WIRES
from tests.simulator.test_client import ID, fixes

GT06 = gt06.Tracker(ID)
LOGIN, REPORT = GT06.hello(), GT06.report(fixes(2))
PACKETS = Path(__file__).parents[1].parent / "shared" / "packets"


def run(*words: str) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["detect", *words])
    return result.exit_code, result.output


def first(data: bytes, **more: object) -> str:
    return guess(Talk([data], **more))[0].codec.name  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(WIRES))
def test_what_the_simulator_says_is_known_for_what_it_is(name: str) -> None:
    tracker = WIRES[name](ID)
    hello, report = tracker.hello(), tracker.report(fixes(2))
    assert first(hello + report) == name
    assert first(report) == name
    if hello:
        assert first(hello) == name


@pytest.mark.parametrize("name", sorted(UDP_WIRES))
def test_datagrams_are_known(name: str) -> None:
    tracker = UDP_WIRES[name](ID)
    assert guess(Talk([tracker.report(fixes(1)), tracker.report(fixes(1))], udp=True))[0].codec.name == name


def test_the_reasons_and_the_next_step_are_told() -> None:
    code, output = run((LOGIN + REPORT).hex())
    assert code == 0
    lines = output.splitlines()
    assert lines[0].startswith("gt06 (Concox, Jimi IoT")
    assert f"it names IMEI {ID}, whose check digit is right" in output
    assert "its checksum is right" in output
    assert "a position: 43.20000, 76.90000 at 20" in output
    assert "point the tracker to port 5023 of your server (tcp)" in output
    assert "telematics decode gt06 …" in output


def test_an_imei_whose_check_digit_is_right_says_more() -> None:
    right = gt06.Tracker("352093081452251").hello()
    assert "it names IMEI 352093081452251, whose check digit is right" in run(right.hex())[1]
    assert guess(Talk([right]))[0].weight > guess(Talk([gt06.Tracker("352093081452250").hello()]))[0].weight


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("#L#T1;NA", "wialon"),
        ("#SD#201126;050000;4314.5500;N;07656.9220;E;45;123;780;9", "wialon"),
        ("GET /?id=1&lat=43.2&lon=76.9 HTTP/1.1\r\nHost: x\r\n\r\n", "osmand"),
        ("id=1&lat=43.2&lon=76.9&timestamp=1750000000", "osmand"),
        ('{"_type":"location","lat":43.2,"lon":76.9,"tst":1750000000,"tid":"JJ"}', "owntracks"),
        ('[{"ident":"1","timestamp":1750000000,"position.latitude":1,"position.longitude":2}]', "flespi"),
        ("id=1&gprmc=$GPRMC,082202.0,A,4315.3,N,07656.5,E,0.0,,131025,1.2,E,A*2E", "opengts"),
    ],
)
def test_text_is_typed_as_it_is(given: str, name: str) -> None:
    code, output = run(given)
    assert (code, output.removeprefix("perhaps ").split()[0]) == (0, name)


def test_a_wrong_checksum_is_said() -> None:
    broken = REPORT[:-4] + b"\0\0" + REPORT[-2:]
    code, output = run(broken.hex())
    assert (code, output.split()[0]) == (0, "gt06")
    assert "a checksum is wrong" in output


def test_nothing_is_nothing() -> None:
    code, output = run("zzz")
    assert (code, output.split(".")[0]) == (1, "No protocol of ours reads anything in these bytes")


def test_the_port_counts() -> None:
    assert "it came to port 5023, its own" in run(REPORT.hex(), "--port", "5023")[1]


def test_only_the_beginning_of_much_is_looked_at() -> None:
    best = guess(Talk([REPORT * 4000]))[0]
    assert best.codec.name == "gt06"
    assert len(best.told.frames) <= LOOKED_AT_BYTES // 20


# --- Files and captures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [REPORT, REPORT.hex().encode(), b"\n".join(REPORT.hex(" ").encode().split(b"\n")) + b"\n"])
def test_a_file_of_bytes_or_of_hex(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "packet"
    path.write_bytes(content)
    assert talks_of(str(path)) == [Talk([REPORT])]
    assert run(str(path))[1].startswith("gt06 ")


def test_a_session_that_the_page_has_saved(tmp_path: Path) -> None:
    """Its remarks stand behind #; a packet a line, so that datagrams stay apart."""
    path = tmp_path / "session.txt"
    path.write_text(f"# of a Tracker – Жетісу\n\n# from it\n{LOGIN.hex()}\n#! odd\n#> 787805010001\n{REPORT.hex()}\n")
    assert talks_of(str(path)) == [Talk([LOGIN, REPORT])]
    assert run(str(path))[1].startswith("gt06 ")
    explained = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["decode", "gt06", str(path)])
    told = (f"says it is {ID}" in explained.output, explained.output.count("43.20000") > 0)
    assert (explained.exit_code, *told) == (0, True, True)


def ip(payload: bytes, *, port: int, udp: bool = False, number: int = 0, flags: int = 0x18, six: bool = False) -> bytes:
    """An IP packet from port 40000."""
    if udp:
        inner = struct.pack(">HHHH", 40000, port, 8 + len(payload), 0) + payload
    else:
        inner = struct.pack(">HHIIBBHHH", 40000, port, number % 2**32, 0, 5 << 4, flags, 1000, 0, 0) + payload
    if six:
        return struct.pack(">IHBB", 6 << 28, len(inner), 17 if udp else 6, 64) + bytes(15) + b"\1" + bytes(15) + b"\2" + inner
    head = struct.pack(">BBHHHBBH4B4B", 0x45, 0, 20 + len(inner), 0, 0x4000, 64, 17 if udp else 6, 0, 192, 0, 2, 1, 192, 0, 2, 2)
    return head + inner


def pcap(packets: list[bytes], link: int, order: str = "<") -> bytes:
    head = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    return head + b"".join(struct.pack(order + "IIII", 0, 0, len(one), len(one)) + one for one in packets)


def pcapng(packets: list[bytes], link: int) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    blocks = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), block(1, struct.pack("<HHI", link, 0, 0))]
    blocks += [block(6, struct.pack("<IIIII", 0, 0, 0, len(one), len(one)) + one) for one in packets]
    return b"".join(blocks)


ETHERNET, TAGGED = bytes(12) + b"\x08\x00", bytes(12) + b"\x81\x00\x00\x07\x08\x00"
START = 2**32 - 10  # numbers begin anew behind it
STREAM = [
    ip(b"", port=5023, number=START - 1, flags=0x02),
    ip(REPORT[:30], port=5023, number=START + len(LOGIN)),
    ip(LOGIN, port=5023, number=START),
    ip(LOGIN, port=5023, number=START),
    ip(REPORT[20:], port=5023, number=START + len(LOGIN) + 20),
]


@pytest.mark.parametrize(
    "capture",
    [
        pytest.param(pcap([ETHERNET + one for one in STREAM], 1), id="ethernet"),
        pytest.param(pcap([TAGGED + one for one in STREAM], 1, ">"), id="a VLAN, of a big-endian machine"),
        pytest.param(pcap(STREAM, 101), id="raw IP"),
        pytest.param(pcap([bytes(16) + one for one in STREAM], 113), id="Linux cooked"),
        pytest.param(pcapng([ETHERNET + one for one in STREAM], 1), id="pcapng"),
        pytest.param(pcapng([ETHERNET + one for one in STREAM], 1) + b"\0\0\0", id="cut short"),
    ],
)
def test_a_stream_is_put_together(capture: bytes, tmp_path: Path) -> None:
    (talk,) = conversations(capture)
    assert (talk.pieces, talk.udp, talk.port) == ([LOGIN + REPORT], False, 5023)
    path = tmp_path / "capture.pcap"
    path.write_bytes(capture)
    code, output = run(str(path))
    assert code == 0
    assert "192.0.2.1:40000 → port 5023, tcp" in output
    assert "it came to port 5023, its own" in output


def test_datagrams_stay_apart_and_the_longest_talk_comes_first() -> None:
    one, two = (teltonika.datagram(ID, fixes(1), number=number) for number in (1, 2))
    packets = [ip(b"hi", port=53, udp=True), *(ip(data, port=5027, udp=True, six=True) for data in (one, two)), b"\0" * 10]
    talks = conversations(pcap(packets, 101))
    assert [(talk.pieces, talk.udp, talk.port) for talk in talks] == [([one, two], True, 5027), ([b"hi"], True, 53)]
    assert guess(talks[0])[0].codec.name == "teltonika"


def test_a_long_talk_is_bounded() -> None:
    packets = [ip(bytes(50_000), port=1, number=50_000 * place) for place in range(10)]
    (talk,) = conversations(pcap(packets, 101))
    assert len(talk.pieces[0]) < LARGEST_TALK_BYTES + 50_000


def test_a_capture_without_anything_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(pcap([ETHERNET + b"\x00" * 40], 1))
    code, output = run(str(path))
    assert code == 2
    assert "no TCP or UDP" in output


# --- Real packets ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not PACKETS.exists(), reason="the collection of real packets is not beside the project")
def test_the_right_protocol_comes_first_nearly_always() -> None:
    right = count = 0
    for codec in protocols.CODECS:
        path = PACKETS / f"{codec.name}.jsonl"
        for line in path.read_text().splitlines()[:15] if path.exists() else ():
            case = json.loads(line)
            wire = bytes.fromhex(case["wire"]) if "wire" in case else http_request(case["http"])
            guesses = guess(Talk([wire]))
            right += bool(guesses) and guesses[0].codec is codec
            count += 1
    assert right >= 0.9 * count, f"{right} of {count}"


@pytest.mark.parametrize("words", [("detect", "capture.pcap"), ("decode", "h02", "/no/where/Session.TXT")])
def test_a_file_that_is_not_there_is_named(words: tuple[str, ...]) -> None:
    """Its name was read as a packet of text, which explains nothing."""
    result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, words)
    assert result.exit_code == 2
    assert f"there is no file {words[-1]}" in result.output
