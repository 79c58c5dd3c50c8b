"""Ports: opened and closed together, in the clear and by TLS; what keeps them from opening is one clear sentence."""

import asyncio
import inspect
import resource
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from prometheus_client import CollectorRegistry

from telematics.config import Settings
from telematics.ingest import errors
from telematics.ingest.errors import CannotListen, IngestError, PortTaken, TlsUnusable, UnknownListener
from telematics.ingest.listeners import Listeners
from telematics.ingest.metrics import IngestMetrics
from telematics.ingest.sockets import allow_files
from tests.ingest.doubles import Intake, call, doors, lines_codec, until


def listeners(settings: dict[str, object], *names: str) -> Listeners:
    codecs = tuple(lines_codec(name) for name in names)
    return Listeners(Settings(listeners=settings), Intake(), IngestMetrics(), codecs)  # type: ignore[arg-type]


async def test_a_thousand_trackers_talk_at_once() -> None:
    names = [f"t{number}" for number in range(1000)]

    async def tracker(name: str, port: int) -> None:
        async with call(port) as caller:
            await caller.ask(f"I am {name}\nat {name}\n".encode(), f"hello\nkept at {name}\n".encode())
            together.add(name)
            await seen.wait()

    together: set[str] = set()
    seen = asyncio.Event()
    async with doors(*names) as house:
        house.intake.acknowledges = True
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(tracker(name, house.port))
            await until(lambda: len(together) == len(names), within_s=30)
            assert house.listeners.connections == house.counts.open == house.metrics.connections == 1000
            seen.set()
        assert sorted(house.intake.reports) == sorted((name, f"at {name}".encode()) for name in names)
        await until(lambda: house.listeners.connections == 0)


async def test_a_datagram_is_a_conversation_of_its_own() -> None:
    async with doors("truck") as house:
        assert house.listeners.ports == {"lines": house.port}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tracker:
            tracker.setblocking(False)
            tracker.bind(("127.0.0.1", 0))
            loop = asyncio.get_running_loop()

            async def ask(data: bytes) -> bytes:
                tracker.sendto(data, ("127.0.0.1", house.port))
                return await asyncio.wait_for(loop.sock_recv(tracker, 100), 5)

            assert await ask(b"I am truck\nat 1\nat 2\nbad x\n") == b"hello\n"
            house.intake.commit()
            assert await asyncio.wait_for(loop.sock_recv(tracker, 100), 5) == b"kept at 1\nkept at 2\n"
            assert await ask(b"I am nobody\nat 3\n") == b"who?\n"
            assert await ask(b"beat\n") == b"beat\n"
            assert await ask(b"beat\nat 4\n") == b"beat\n"  # who said so? a datagram has no memory
            tracker.sendto(b"crash\n", ("127.0.0.1", house.port))
            tracker.sendto(b"", ("127.0.0.1", house.port))
            assert await ask(b"quit\n") == b"quit\n"
            sender = f"127.0.0.1:{tracker.getsockname()[1]}"
        assert house.intake.reports == [("truck", b"at 1"), ("truck", b"at 2")]
        assert house.intake.strangers == [("lines", "nobody", sender)]
        assert [(bad.reason, bad.frame) for _, bad in house.intake.rejects] == [("bad line", b"bad x"), ("before login", b"at 4")]
        assert house.intake.entries[0][0].address == sender
        assert house.refused("connection", "session failed") == 1
        assert house.listeners.connections == 0


async def test_each_protocol_has_its_port_for_ipv4_and_ipv6() -> None:
    doors = listeners({"one": {"port": 0}, "two": {"port": 0}, "three": {"enabled": False}}, "one", "two", "three")
    await doors.start()
    try:
        assert set(doors.ports) == {"one", "two"}
        for port in doors.ports.values():
            async with call(port) as caller:
                await caller.ask(b"beat\n", b"beat\n")
            if socket.has_dualstack_ipv6():
                reader, writer = await asyncio.open_connection("::1", port)
                writer.write(b"beat\n")
                assert await asyncio.wait_for(reader.readexactly(5), 5) == b"beat\n"
                writer.close()
                await writer.wait_closed()
    finally:
        await doors.stop()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
async def test_a_taken_port_is_one_clear_sentence(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        doors = listeners({"one": {"port": 0}, "two": {"host": "127.0.0.1", "port": port}}, "one", "two")
        with pytest.raises(PortTaken) as caught:
            await doors.start()
        assert str(caught.value) == (
            f"two: port {port} is taken by another program; stop that program, or set listeners.two.port "
            "(TELEMATICS_LISTENERS__TWO__PORT) to another, or listeners.two.enabled to false"
        )
        assert doors.ports == {}, "what was opened before it is closed again"


async def test_an_address_that_is_not_ours_is_one_clear_sentence() -> None:
    with pytest.raises(CannotListen, match=r"^one: cannot listen on 192\.0\.2\.1, port 7 \(.+\); set listeners\.one\.host"):
        await listeners({"one": {"host": "192.0.2.1", "port": 7}}, "one").start()


async def test_a_listener_that_does_not_exist_is_one_clear_sentence() -> None:
    with pytest.raises(UnknownListener, match=r"^protocols, listeners: gt60 is no such protocol; known are gt06, lines$"):
        await listeners({"gt60": {}}, "gt06", "lines").start()


async def test_the_end_is_graceful() -> None:
    """Nothing new is read after `quiet`, but what is committed is acknowledged, and leaves before the connection does."""
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.ask(b"I am truck\nat 1\n", b"hello\n")
        port = house.port
        await house.listeners.quiet()
        house.intake.empty()  # room again: but the server stops
        await tracker.say(b"at 2\n")
        await asyncio.sleep(0.05)
        house.intake.commit()
        await tracker.hear(b"kept at 1\n")
        await house.listeners.stop(grace_s=2)
        assert await tracker.hung_up() == b""
        assert house.intake.reports == [("truck", b"at 1")]
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            async with call(port):
                pass


async def test_the_end_does_not_wait_for_one_who_never_reads() -> None:
    async with doors("truck") as house, call(house.port, limit=1) as tracker:
        tracker.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await tracker.say(b"I am truck\n" + b"flood 1000000\n" * 20)
        await until(lambda: house.counts.bytes_out > 10_000_000)
        before = asyncio.get_running_loop().time()
        await house.listeners.stop(grace_s=0.2)
        assert asyncio.get_running_loop().time() - before < 1
        assert house.listeners.connections == 0


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, Path]:
    certificate = authority.issue_cert("127.0.0.1")
    other = authority.issue_cert("127.0.0.1")
    paths = {name: tmp_path / f"{name}.pem" for name in ("chain", "key", "other_key", "both", "text")}
    certificate.private_key_pem.write_to_path(paths["key"])
    other.private_key_pem.write_to_path(paths["other_key"])
    certificate.private_key_and_cert_chain_pem.write_to_path(paths["both"])
    paths["chain"].write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    paths["text"].write_text("not a certificate")
    return paths


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("names", [("chain", "key"), ("both", None)], ids=["two files", "one file"])
async def test_tls(files: dict[str, Path], trusting: ssl.SSLContext, names: tuple[str, str | None]) -> None:
    certificate, key = names
    tls = {"tls_certificate": files[certificate], "tls_key": files[key] if key else None}
    async with doors("truck", listener=tls) as house:
        async with call(house.port, ssl=trusting) as tracker:
            await tracker.ask(b"I am truck\nat 1\nbeat\n", b"hello\nbeat\n")
            host, port = tracker.writer.get_extra_info("sockname")
            assert house.intake.entries[0][0].address == f"{host}:{port}"
            house.intake.commit()
            await tracker.hear(b"kept at 1\n")
            house.intake.fill()
            await tracker.say(b"at 2\n")
            await asyncio.sleep(0.05)
            assert len(house.intake.reports) == 1
            house.intake.empty()
            await until(lambda: len(house.intake.reports) == 2)
            await tracker.say(b"bye\n")
            await until(lambda: house.intake.entries[-1][2][-1].last)
            house.intake.commit()
            assert await tracker.hung_up() == b"kept at 2\nbye\n"
        await until(lambda: house.listeners.connections == 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as clear:
            clear.bind(("127.0.0.1", house.port))  # nobody listens in the clear beside it


async def test_who_does_not_speak_tls_is_hung_up_on(files: dict[str, Path], trusting: ssl.SSLContext) -> None:
    tls = {"tls_certificate": files["both"]}
    async with doors("truck", listener=tls, login_s=0.5, connections_per_address=3) as house:
        async with call(house.port) as silent:
            async with call(house.port) as plain:
                await plain.say(b"I am truck\nat 1\n")
                await plain.hung_up()
            assert house.refused("connection", "TLS handshake failed") == 1
            assert await silent.hung_up() == b"", "a handshake has the time of a login"
        await until(lambda: house.listeners.connections == 0)
        async with call(house.port, ssl=trusting) as tracker:
            await tracker.ask(b"I am truck\n", b"hello\n")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        pytest.param(
            ("missing", "key"), r"^lines: listeners\.lines\.tls_certificate \(.+\) can't be used: No such file", id="missing"
        ),
        pytest.param(
            ("chain", "missing"), r"^lines: listeners\.lines\.tls_key \(.+\) can't be used: No such file", id="no such key"
        ),
        pytest.param(("chain", "other_key"), r"the private key in tls_key belongs to another certificate$", id="mismatch"),
        pytest.param(("text", "key"), r"holds no PEM certificate", id="no PEM"),
        pytest.param(("chain", None), r"holds no PEM certificate with its private key", id="no key at all"),
        pytest.param((None, "key"), r"there is no tls_certificate beside it", id="a key alone"),
    ],
)
async def test_unusable_tls_files_are_one_clear_sentence(
    files: dict[str, Path], names: tuple[str | None, str | None], sentence: str
) -> None:
    paths = {"missing": Path("/nowhere/x.pem"), None: None, **files}
    tls = {"port": 0, "tls_certificate": paths[names[0]], "tls_key": paths[names[1]]}
    with pytest.raises(TlsUnusable, match=sentence):
        await listeners({"lines": tls}, "lines").start()


# around


def test_every_error_is_under_the_root() -> None:
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    assert all(issubclass(kind, IngestError) for kind in classes)


def test_the_limit_of_open_files_is_raised_as_far_as_allowed() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert allow_files(300) == 300
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
        assert allow_files(100) == 300
        if hard != resource.RLIM_INFINITY:
            assert allow_files(hard + 1) == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_prometheus_sees_what_is_counted() -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.ask(b"I am truck\nat 1\nbeat\n", b"hello\nbeat\n")
        registry = CollectorRegistry()
        registry.register(house.metrics)

        def value(name: str, **labels: str) -> float | None:
            return registry.get_sample_value(f"telematics_ingest_{name}", {"protocol": "lines", **labels})

        house.counts.refuse("connection", "idle", 2)
        assert value("connections") == value("connections_accepted_total") == value("frames_total") == value("logins_total") == 1
        assert value("received_bytes_total") == len(b"I am truck\nat 1\nbeat\n")
        assert value("sent_bytes_total") == len(b"hello\nbeat\n")
        assert value("datagrams_total") == 0
        assert value("refused_total", what="connection", reason="idle") == 2
        assert registry.get_sample_value("telematics_ingest_paused_seconds_total") == 0
