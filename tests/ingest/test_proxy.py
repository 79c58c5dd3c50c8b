"""Behind a balancer: the PROXY protocol's header comes first, and says who is really calling."""

import asyncio
import contextlib
import ssl
import struct

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from telematics.ingest.proxy import BadHeader, Header, HeaderReader
from tests.ingest.doubles import call, doors, until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 5023\r\n"
V1_IPV6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 5023\r\n"
V1_UNKNOWN = b"PROXY UNKNOWN\r\n"


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(body)) + body


IPV4 = bytes([203, 0, 113, 7, 192, 0, 2, 1]) + struct.pack("!HH", 40000, 5023)
IPV6 = bytes.fromhex("20010db800000000000000000000000720010db8000000000000000000000001") + struct.pack("!HH", 40000, 5023)
NOTE = b"\x04\x00\x03abc"  # a type-length-value of type "no operation"

GOOD = [
    pytest.param(V1, ("203.0.113.7", 40000), id="v1"),
    pytest.param(V1_IPV6, ("2001:db8::7", 40000), id="v1, IPv6"),
    pytest.param(V1_UNKNOWN, None, id="v1, the balancer doesn't know"),
    pytest.param(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None, id="v1, unknown, with what is to be ignored"),
    pytest.param(v2(1, 0x11, IPV4), ("203.0.113.7", 40000), id="v2"),
    pytest.param(v2(1, 0x11, IPV4 + NOTE), ("203.0.113.7", 40000), id="v2 with a note"),
    pytest.param(v2(1, 0x11, IPV4 + b"\x04\x05\x00" + bytes(0x500)), ("203.0.113.7", 40000), id="v2 with a long note"),
    pytest.param(v2(1, 0x21, IPV6), ("2001:db8::7", 40000), id="v2, IPv6"),
    pytest.param(v2(0, 0x00, b""), None, id="v2, the balancer's own health check"),
    pytest.param(v2(1, 0x00, b"whatever"), None, id="v2, the balancer doesn't know"),
    pytest.param(v2(1, 0x31, b"/a".ljust(108, b"\0") * 2), None, id="v2, a Unix socket"),
]
BAD = [
    pytest.param(b"\x78\x78\x0d\x01\x08\x65\x43\x21\x12", id="a tracker's login"),
    pytest.param(b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", id="v1, no such family"),
    pytest.param(b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", id="v1, a field too few"),
    pytest.param(b"PROXY TCP4 1.2.3.999 1.2.3.4 1 2\r\n", id="v1, no address"),
    pytest.param(b"PROXY TCP4 1.2.3.4 1.2.3.4 99999 2\r\n", id="v1, no port"),
    pytest.param(b"PROXY TCP4 \xff.2.3.4 1.2.3.4 1 2\r\n", id="v1, no ASCII"),
    pytest.param(b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", id="v1, half a line's end"),
    pytest.param(b"PROXY " + b"1" * 200, id="v1 without end"),
    pytest.param(SIGNATURE + b"\x31\x11\x00\x0c" + IPV4, id="v3"),
    pytest.param(v2(2, 0x11, IPV4), id="v2, no such command"),
    pytest.param(v2(1, 0x11, IPV4[:5]), id="v2, too short for its addresses"),
    pytest.param(v2(1, 0x11, IPV4 + b"\x03\x00\x01x"), id="v2, a checksum of a wrong size"),
    pytest.param(v2(1, 0x11, bytes(3000)), id="v2, too long"),
    pytest.param(SIGNATURE[:8] + b"XXXX\x21\x11\x00\x0c" + IPV4, id="v2, half a signature"),
]


def read(stream: bytes) -> tuple[Header | None, bytes]:
    """The header, and what was left in the socket."""
    reader = HeaderReader()
    while stream:
        piece, stream = stream[: reader.wanted], stream[reader.wanted :]
        if header := reader.feed(piece):
            return header, stream
    return None, b""


@pytest.mark.parametrize(("raw", "source"), GOOD)
def test_a_header_is_read_and_not_a_byte_more(raw: bytes, source: tuple[str, int] | None) -> None:
    assert read(raw + b"I am truck\n") == (Header(source), b"I am truck\n")


@pytest.mark.parametrize("raw", BAD)
def test_a_bad_header_is_refused(raw: bytes) -> None:
    with pytest.raises(BadHeader):
        read(raw + b"I am truck\n")


@given(st.one_of(st.binary(max_size=300), st.builds(v2, st.integers(0, 15), st.integers(0, 255), st.binary(max_size=300)),
                 st.binary(max_size=120).map(lambda rest: b"PROXY " + rest)))  # fmt: skip
def test_any_bytes_give_a_header_or_are_refused(raw: bytes) -> None:
    with contextlib.suppress(BadHeader):
        read(raw)


@pytest.mark.parametrize(("raw", "source"), GOOD)
@pytest.mark.parametrize("cut", [1, 10_000], ids=["in pieces", "at once"])
async def test_the_caller_is_who_the_balancer_says(raw: bytes, source: tuple[str, int] | None, cut: int) -> None:
    if cut == 1 and len(raw) > 300:
        cut = 100
    async with doors("truck", listener={"proxy_protocol": True}) as house, call(house.port) as balancer:
        talk = raw + b"I am nobody\nI am truck\nat 1\n"
        for start in range(0, len(talk), cut):
            await balancer.say(talk[start : start + cut])
            await asyncio.sleep(0)
        await balancer.hear(b"who?\nhello\n")
        if source is None:
            source = balancer.writer.get_extra_info("sockname")
        assert source is not None
        host, port = source
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        assert house.intake.strangers == [("lines", "nobody", shown)]
        await until(lambda: house.intake.reports)
        house.intake.commit()
        await balancer.hear(b"kept at 1\n")


@pytest.mark.parametrize("raw", BAD)
async def test_who_comes_past_the_balancer_is_hung_up_on(raw: bytes) -> None:
    async with doors("truck", listener={"proxy_protocol": True}) as house, call(house.port) as caller:
        await caller.say(raw + b"I am truck\nat 1\n")
        assert await caller.hung_up() == b""
        await until(lambda: house.listeners.connections == 0)
        assert house.refused("connection", "bad PROXY header") == 1
        assert house.intake.entries == []


async def test_a_header_has_the_time_of_a_login() -> None:
    async with doors("truck", listener={"proxy_protocol": True}, login_s=0.3) as house:
        async with call(house.port) as silent, call(house.port) as slow:
            await slow.say(V1[:20])
            assert await silent.hung_up() == await slow.hung_up() == b""
        assert house.refused("connection", "no login in time") == 2


async def test_the_limit_per_address_is_the_callers_not_the_balancers() -> None:
    other = v2(1, 0x11, bytes([203, 0, 113, 8]) + IPV4[4:])
    async with doors("truck", listener={"proxy_protocol": True}, connections_per_address=1) as house:  # noqa: SIM117
        async with call(house.port) as first, call(house.port) as second, call(house.port) as third:
            await first.ask(V1 + b"beat\n", b"beat\n")
            await second.ask(other + b"beat\n", b"beat\n")
            await third.say(v2(1, 0x11, IPV4) + b"beat\n")
            assert await third.hung_up() == b""
            assert house.refused("connection", "too many connections from the address") == 1


async def test_a_header_may_come_while_the_pipeline_has_no_room() -> None:
    async with doors("truck", listener={"proxy_protocol": True}) as house, call(house.port) as balancer:
        house.intake.fill()
        await balancer.say(V1)
        await until(lambda: house.counts.open)
        await asyncio.sleep(0.05)
        await balancer.say(b"I am truck\nat 1\n")
        await asyncio.sleep(0.1)
        assert house.intake.entries == []
        house.intake.empty()
        await balancer.hear(b"hello\n")


@pytest.mark.parametrize("header", [V1, v2(1, 0x11, IPV4)], ids=["v1", "v2"])
async def test_behind_the_header_there_may_be_tls(header: bytes, tmp_path: object) -> None:
    """Header and the handshake's first bytes come in one packet, as balancers send them."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.tempfile() as file:
        async with doors("truck", listener={"proxy_protocol": True, "tls_certificate": file}) as house:
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = trusting.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
            prefix = header
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(prefix + outgoing.read())
                    prefix = b""
                    incoming.write(await asyncio.wait_for(reader.read(65536), 5))
            tls.write(b"I am nobody\nbeat\n")
            writer.write(outgoing.read())  # the handshake's last bytes and the first of the tracker's, in one packet
            heard = b""
            while len(heard) < len(b"who?\nbeat\n"):
                incoming.write(await asyncio.wait_for(reader.read(65536), 5))
                try:
                    heard += tls.read(100)
                except ssl.SSLWantReadError:
                    continue
            assert heard == b"who?\nbeat\n"
            assert house.intake.strangers == [("lines", "nobody", "203.0.113.7:40000")]
            writer.transport.abort()
