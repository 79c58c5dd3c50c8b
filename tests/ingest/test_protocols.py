"""Real protocols over real sockets: their own words for "welcome", "stored" and "who are you?", each at its moment."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from protocols import ANSWER, CODECS, Codec, Frame, codec
from telematics.config import LimitSettings
from telematics.devices import Device
from telematics.ingest import batch
from telematics.ingest.connection import LAST, Tracker
from telematics.ingest.crowd import Crowd
from telematics.ingest.metrics import Counts
from telematics.pipeline.decoding import decode
from tests.ingest.doubles import Doors, call, doors, until

TELTONIKA_FIX = bytes.fromhex(  # the maker's first example of Codec 8
    "000000000000003608010000016B40D8EA30010000000000000000000000000000000105021503010101425E0F01F10000601A014E00000000000000000100"
    "00C7CF"
)
GT06_LOGIN = bytes.fromhex("78780D01012345678901234500018CDD0D0A")  # the example in Concox' manual
GT06_WELCOME = bytes.fromhex("787805010001D9DC0D0A")
OSMAND_GET = b"GET /?id=%s&lat=43.2&lon=76.9&timestamp=1717171717 HTTP/1.1\r\nHost: x\r\n\r\n"
H02_FIX = b"*HQ,4109000001,V1,052825,A,2239.4210,N,11400.8825,E,0.00,348,180814,FFFFFFFF#"
RUPTELA_HELLO = bytes.fromhex("000d0001440f32b217350f45434f34ed0a")  # built from the layout, as is the next
RUPTELA_FIX = bytes.fromhex("00260001440f32b217350100016a0d8e0000002dd74c9019c02b140f782ee00b00320907000000000367")
RUPTELA_WELCOME, RUPTELA_STORED = bytes.fromhex("00027301cb25"), bytes.fromhex("0002640113bc")
GL200_FIX = b"+RESP:GTSOS,250504,861234058127369,,,00,1,1,61.2,300,790.3,76.950000,-43.250000,20260305070809,,,,,,,01AF$"
MEITRACK_FIX = bytes.fromhex(  # a list of one record
    "24244138362c3335333335383031373738343036322c4343432c010034000100000023b00e6cfdf029960459e83b310109153d002c0109"
    "00160387d61200cd810100910102004952db2701020300a301ec04000000002a39300d0a"
)
MEITRACK_STORED = b"@@A27,353358017784062,CCC,1*E0\r\n"
OWNTRACKS_FIX = b'{"_type":"location","topic":"owntracks/jane/phone","tst":1717171717,"lat":43.2,"lon":76.9}'
OWNTRACKS_POST = b"POST /pub HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(OWNTRACKS_FIX), OWNTRACKS_FIX)
OPENGTS_GET = b"GET /?id=phone&gprmc=$GPRMC,160837,A,4312.0,N,07654.0,E,0.0,0.0,310524,, HTTP/1.1\r\nHost: x\r\n\r\n"
WIALON_FIX = b"#SD#300524;120000;4314.0000;N;07656.0000;E;60;90;800;9\r\n"
JT808_LOGIN = bytes.fromhex("7e01020001013800138000000141e87e")
JT808_WELCOME = bytes.fromhex("7e80010005013800138000000000010102002c7e")
JT808_FIX = bytes.fromhex("7e0200001c0138001380000002000000000000000302940bb40495d3d00320026700d5260304130607ae7e")
JT808_STORED = bytes.fromhex("7e80010005013800138000000000020200002e7e")

RUSSIAN: dict[str, tuple[str, str, str, str, str]] = {  # name: id, login, welcome, report, stored; built in tests/protocols
    "egts": (
        "350000000000111",
        "0100000b001e000700010c170001000001010114004d0000000233353030303030303030303031313129d5",
        "0100000b001000020000e407000006000100000101000300010000e7730100000b000b00040001760400030000010109010000ba83",
        "0100000b002200070001a91b000500000202101800d989a91a5bb0057bd7a3706d9164822c39300005001603005b08",
        "0100000b001000060000cd0700000600050000020200030005000097ee",
    ),
    "galileo": (
        "350000000000222",
        "01130003333530303030303030303030323232040500eaa2",
        "02eaa2",
        "01170020d9c4e665300b50f19302f0299604336402b80b3416039b42",
        "029b42",
    ),
    "navis": (
        "350000000000333",
        "404e5443010000002c0100001300486e2a3e533a333530303030303030303030333333",
        "404e54432c01000001000000030045732a3c53",
        "404e5443010000002c0100001d00a1892a3e54034d000000891307080905021808351101000200383104101e00",
        "404e54432c0100000100000007000f3d2a3c544d000000",
    ),
    "arnavi": (
        "350000000000444",
        "ff22bce1abb9523e0100",
        "7b00007d",
        "5b01010f00d9c4e6650300002d420400e0994205964f47216b5d",
        "7b00017d",
    ),
}

CASES = [
    pytest.param("wialon", "T1", b"#L#T1;NA\r\n", b"#AL#1\r\n", WIALON_FIX, b"#ASD#1\r\n", id="wialon"),
    pytest.param("gt06", "123456789012345", GT06_LOGIN, GT06_WELCOME, b"", b"", id="gt06"),
    pytest.param("teltonika", "356307042441013", b"\0\x0f356307042441013", b"\x01", TELTONIKA_FIX, b"\0\0\0\x01", id="teltonika"),
    pytest.param("osmand", "phone", b"", b"", OSMAND_GET % b"phone", b"HTTP/1.1 200", id="osmand"),
    pytest.param("owntracks", "owntracks-jane-phone", b"", b"", OWNTRACKS_POST, b"HTTP/1.1 200", id="owntracks"),
    pytest.param("opengts", "phone", b"", b"", OPENGTS_GET, b"HTTP/1.1 200", id="opengts"),
    pytest.param("h02", "4109000001", b"", b"", H02_FIX, b"*HQ,4109000001,V4,V1,20140818052825#", id="h02"),
    pytest.param("ruptela", "356307042441013", RUPTELA_HELLO, RUPTELA_WELCOME, RUPTELA_FIX, RUPTELA_STORED, id="ruptela"),
    pytest.param("tk103", "013600000001", b"(013600000001BP00HSO)", b"(013600000001AP01HSO)", b"", b"", id="tk103"),
    pytest.param("gps103", "864700000000001", b"##,imei:864700000000001,A;", b"LOAD", b"", b"", id="gps103"),
    pytest.param("watch", "8800000001", b"[3G*8800000001*0002*LK]", b"[3G*8800000001*0002*LK]", b"", b"", id="watch"),
    pytest.param("gl200", "861234058127369", b"", b"", GL200_FIX, b"+SACK:01AF$", id="gl200"),
    pytest.param("meitrack", "353358017784062", b"", b"", MEITRACK_FIX, MEITRACK_STORED, id="meitrack"),
    pytest.param("jt808", "13800138000", JT808_LOGIN, JT808_WELCOME, JT808_FIX, JT808_STORED, id="jt808"),
    *(pytest.param(name, unique_id, *map(bytes.fromhex, wires), id=name) for name, (unique_id, *wires) in RUSSIAN.items()),
]


@pytest.mark.parametrize(("name", "unique_id", "login", "welcome", "report", "stored"), CASES)
async def test_stored_is_said_after_the_commit(
    name: str, unique_id: str, login: bytes, welcome: bytes, report: bytes, stored: bytes
) -> None:
    async with doors(unique_id, codec=codec(name)) as house, call(house.port) as tracker:
        await tracker.ask(login, welcome)
        if report:
            await tracker.say(report)
            await until(lambda: house.intake.reports)
            assert house.intake.reports[0][0] == unique_id
            assert house.counts.bytes_out == len(welcome), "nothing but the welcome yet"
            house.intake.commit()
            await tracker.hear(stored)
        await until(lambda: house.counts.logins == 1)


@pytest.mark.parametrize(
    ("name", "login", "unique_id", "answer"),
    [
        pytest.param("wialon", b"#L#T1;NA\r\n", "T1", b"#AL#0\r\n", id="wialon"),
        pytest.param("teltonika", b"\0\x0f356307042441013", "356307042441013", b"\0", id="teltonika"),
        pytest.param("gt06", GT06_LOGIN, "123456789012345", b"", id="gt06 is silent"),
        pytest.param("osmand", OSMAND_GET % b"phone", "phone", b"HTTP/1.1 404", id="osmand"),
        pytest.param("owntracks", OWNTRACKS_POST, "owntracks-jane-phone", b"HTTP/1.1 404", id="owntracks"),
    ],
)
async def test_a_stranger_is_told_so(name: str, login: bytes, unique_id: str, answer: bytes) -> None:
    async with doors(codec=codec(name)) as house, call(house.port) as tracker:
        house.intake.acknowledges = True
        await tracker.ask(login, answer)
        await until(lambda: house.intake.strangers)
        assert [known[:2] for known in house.intake.strangers] == [(name, unique_id)]
        assert house.intake.reports == []


class Mail(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received.put_nowait(data)


@pytest.fixture
async def teltonika() -> AsyncIterator[Doors]:
    async with doors("352093086403655", codec=codec("teltonika")) as house:
        yield house


async def test_teltonika_by_datagram(teltonika: Doors) -> None:
    raw = bytes.fromhex(  # the maker's example of Codec 8 over UDP
        "003DCAFE0105000F33353230393330383634303336353508010000016B4F815B30010000000000000000000000000000000103021503010101425DBC000001"
    )
    loop = asyncio.get_running_loop()
    transport, mail = await loop.create_datagram_endpoint(Mail, remote_addr=("127.0.0.1", teltonika.port))
    transport.sendto(raw)
    await until(lambda: teltonika.intake.reports)
    assert mail.received.empty()
    teltonika.intake.commit()
    assert await asyncio.wait_for(mail.received.get(), 5) == bytes.fromhex("0005CAFE010501")
    assert teltonika.intake.reports[0][0] == "352093086403655"
    transport.close()


@pytest.mark.parametrize("of", CODECS, ids=lambda of: of.name)
async def test_a_frame_that_only_answers_is_nothing_to_be_read(of: Codec) -> None:
    intake = batch.Intake(LimitSettings(), devices=None)  # type: ignore[arg-type]
    tracker = Tracker(of, intake, Counts(), Crowd(LimitSettings(), time.monotonic))
    answers = [Frame(ANSWER, b"", b"HTTP/1.1 404 Not Found\r\n\r\n"), LAST]
    for device in (None, Device(1, 1, "truck", "truck", slot=0)):
        taken = decode([batch.Entry(tracker, device, answers, arrived=0.0)])
        assert (len(taken.reports.columns), taken.dead_letters, taken.acks) == (0, [], {})


async def test_a_list_of_several_trackers_is_answered_once_when_all_that_is_ours_is_stored() -> None:
    """flespi: the stranger between them is listed, and holds up nobody."""
    messages = b",".join(
        b'{"ident":"%s","timestamp":1717171717,"position.latitude":43.2,"position.longitude":76.9}' % name
        for name in (b"first", b"stranger", b"second", b"first", b"last stranger")
    )
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n[%s]" % (len(messages) + 2, messages)
    async with doors("first", "second", codec=codec("flespi")) as house, call(house.port) as tracker:
        await tracker.say(request)
        await until(lambda: len(house.intake.strangers) == 2)
        assert [name for name, _ in house.intake.reports] == ["first", "second"]
        assert house.counts.bytes_out == 0, "nothing is stored yet"
        house.intake.commit()
        await tracker.hear(b"HTTP/1.1 200")
        assert [name for _, name, _ in house.intake.strangers] == ["stranger", "last stranger"]
