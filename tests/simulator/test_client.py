"""A simulated tracker on real sockets: it delivers, resends what was not acknowledged, waits, and says what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import protocols
from telematics.simulator import client as module
from telematics.simulator.client import Address, Client, Totals
from telematics.simulator.fix import Fix
from telematics.simulator.wires import UDP_WIRES, WIRES

ID = "356307042441013"
START = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class LineWire:
    """The simplest protocol there could be: "id\\n" answered by "yes\\n" or "no\\n", a line a fix answered by "ok\\n"."""

    def __init__(self, unique_id: str) -> None:
        self.unique_id, self.accepted = unique_id, None

    accepted: bool | None

    def hello(self) -> bytes:
        return f"{self.unique_id}\n".encode()

    def report(self, fixes: Sequence[Fix]) -> bytes:
        return b"".join(f"{fix.odometer_m}\n".encode() for fix in fixes)

    def receive(self, data: bytes) -> int:
        if self.accepted is None:
            self.accepted = data.startswith(b"yes")
        return data.count(b"ok\n")


def fixes(count: int, first: int = 0) -> list[Fix]:
    return [Fix(START + timedelta(seconds=n), 43.2, 76.9, odometer_m=n) for n in range(first, first + count)]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Address]:
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def running(client: Client) -> AsyncIterator[Client]:
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr(module, "CHECK_S", 0.05)


async def test_everything_offered_arrives_once_and_in_order() -> None:
    heard: list[int] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"yes\n")
        while line := await reader.readline():
            heard.append(int(line))
            writer.write(b"ok\n")

    totals = Totals()
    async with serving(server) as address, running(Client("one", LineWire, address, totals)) as client:
        client.offer(*fixes(150))
        await asyncio.wait_for(client.drained(), 5)
        client.offer(*fixes(10, first=150))
        await asyncio.wait_for(client.drained(), 5)
        assert (totals.sent, totals.acknowledged, totals.resent, totals.connections) == (160, 160, 0, 1)
        assert len(totals.latencies_s) == 160
    assert heard == list(range(160))
    assert totals.connections == 0


async def test_what_was_not_acknowledged_comes_again_first() -> None:
    """The server takes 30 lines, acknowledges 12 and hangs up."""
    connections: list[list[int]] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard: list[int] = []
        connections.append(heard)
        await reader.readline()
        writer.write(b"yes\n")
        while line := await reader.readline():
            heard.append(int(line))
            if len(connections) == 1 and len(heard) == 30:
                writer.write(b"ok\n" * 12)
                await writer.drain()
                return
            if len(connections) > 1:
                writer.write(b"ok\n")

    totals = Totals()
    async with serving(server) as address, running(Client("one", LineWire, address, totals, batch=10, window=30)) as client:
        client.offer(*fixes(50))
        await asyncio.wait_for(client.drained(), 5)
    assert connections[1] == list(range(12, 50))
    assert totals.acknowledged == 50
    assert totals.resent >= 18
    assert totals.hung_up >= 1


async def test_a_server_that_never_acknowledges_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACKNOWLEDGE_S", 0.1)
    connections = 0

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        number = connections
        await reader.readline()
        writer.write(b"yes\n")
        while await reader.readline():
            if number > 1:
                writer.write(b"ok\n")

    async with serving(server) as address, running(Client("one", LineWire, address, Totals())) as client:
        client.offer(*fixes(3))
        await asyncio.wait_for(client.drained(), 5)
    assert connections == 2


async def test_no_more_is_under_way_than_the_window_and_no_more_kept_than_memory() -> None:
    heard: list[int] = []
    go = asyncio.Event()

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"yes\n")
        while line := await reader.readline():
            heard.append(int(line))
            if len(heard) == 20:
                await go.wait()
            writer.write(b"ok\n" if len(heard) > 20 else b"ok\n" * 20 if len(heard) == 20 else b"")

    totals = Totals()
    client = Client("one", LineWire, Address("127.0.0.1", 1), totals, batch=10, window=20, memory=40)
    client.offer(*fixes(100))
    assert (client.unacknowledged, totals.dropped) == (40, 60)
    async with serving(server) as address:
        client.address = address
        async with running(client):
            await asyncio.sleep(0.2)
            assert heard == list(range(60, 80))
            go.set()
            await asyncio.wait_for(client.drained(), 5)
    assert heard == list(range(60, 100))


async def test_a_refused_tracker_is_counted() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"no\n")

    totals = Totals()
    async with serving(server) as address, running(Client("stranger", LineWire, address, totals)) as client:
        client.offer(*fixes(1))
        await asyncio.sleep(0.2)
        assert totals.refused == {"stranger"}
        assert (totals.sent, client.unacknowledged) == (0, 1)


async def test_a_server_that_is_not_there_is_named_and_found_later() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"yes\n")
        while await reader.readline():
            writer.write(b"ok\n")

    async with serving(server) as address:
        pass
    totals = Totals()
    async with running(Client("one", LineWire, address, totals)) as client:
        client.offer(*fixes(2))
        await asyncio.sleep(0.1)
        assert totals.unreachable == f"nothing listens on {address}"
        again = await asyncio.start_server(_accept_all, "127.0.0.1", address.port)
        async with again:
            await asyncio.wait_for(client.drained(), 5)
        assert totals.unreachable == ""


async def _accept_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"yes\n")
    while await reader.readline():
        writer.write(b"ok\n")
    writer.close()


@pytest.mark.parametrize("protocol", WIRES)
async def test_each_protocol_against_its_codec(protocol: str) -> None:
    """The codec as a server that stores at once: what the tracker says is read, and what the codec answers is understood."""
    codec = protocols.codec(protocol)
    columns: list[protocols.Columns] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = codec.session()
        while data := await reader.read(500):
            received = session.receive(data)
            while True:
                writer.write(received.reply)
                columns.append(codec.decode(received.frames).columns)
                for frame in received.frames:
                    writer.write(frame.ack)
                if received.login is None:
                    break
                assert received.login == ID
                received = session.admit(known=True)

    totals = Totals()
    async with serving(server) as address, running(Client(ID, WIRES[protocol], address, totals, batch=7)) as client:
        client.offer(*fixes(40))
        await asyncio.wait_for(client.drained(), 5)
    read = protocols.Columns.concat(columns)
    assert (totals.acknowledged, totals.resent) == (40, 0)
    assert read.time.tolist() == [fix.time.replace(tzinfo=None) for fix in fixes(40)]
    assert read.latitude == pytest.approx([43.2] * 40, abs=1e-6)


async def test_datagrams_are_resent_when_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACKNOWLEDGE_S", 0.1)
    codec = protocols.codec("teltonika")
    assert codec.datagram is not None
    make_session = codec.datagram

    class Server(asyncio.DatagramProtocol):
        heard = 0
        rows = 0

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            Server.heard += 1
            if Server.heard % 2:
                return
            session = make_session()
            received = session.receive(data)
            assert received.login == ID
            for frame in session.admit(known=True).frames:
                Server.rows += len(codec.decode([frame]).columns)
                self.transport.sendto(frame.ack, addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    address = Address("127.0.0.1", transport.get_extra_info("sockname")[1], udp=True)
    totals = Totals()
    async with running(Client(ID, UDP_WIRES["teltonika"], address, totals, batch=12, window=12)) as client:
        client.offer(*fixes(24))
        await asyncio.wait_for(client.drained(), 10)
    transport.close()
    assert (totals.acknowledged, Server.rows) == (24, 24)
    assert totals.resent >= 12
