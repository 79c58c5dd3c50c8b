"""Commands on a whole server: trackers on real sockets, rows in a real table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protocols.commands import checked
from telematics.config import CommandSettings, ListenerSettings, Settings, SmsSettings
from telematics.downlink import Downlink
from telematics.server import Server
from telematics.store import commands as store
from telematics.store.commands import NewCommand
from tests.channels.smsc import Smsc, serving
from tests.test_server import add_devices, rows, running, until

NAME = "wialon-1"
STATES = "SELECT state, reason, answer, tries, awaits FROM commands ORDER BY id"


@asynccontextmanager
async def house(settings: Settings, **commands: Any) -> AsyncIterator[tuple[Server, int]]:
    async with running(settings, commands=CommandSettings(**commands)) as server:
        ids = await add_devices(server, (NAME,))
        yield server, ids[NAME]


async def order(server: Server, device_id: int, kind: str = "custom", lasts_s: float = 60, **more: Any) -> int:
    """A command into the table, as a page or another process puts it there."""
    parameters = {"data": "#M#hello"} if kind == "custom" else {}
    new = NewCommand(device_id, kind, checked(kind, parameters).parameters, timedelta(seconds=lasts_s), **more)
    async with server.database.pool.connection() as connection:
        number = await store.add(connection, new, datetime.now(UTC))
    assert number is not None
    return number


class Tracker:
    """A Wialon tracker's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readline()

    async def silent(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.reader.readline()
        except TimeoutError:
            return True
        return False

    def say(self, text: str) -> None:
        self.writer.write(text.encode() + b"\r\n")

    def report(self, speed_kmh: float) -> None:
        now = datetime.now(UTC)
        self.say(f"#SD#{now:%d%m%y};{now:%H%M%S};4315.3000;N;07656.7000;E;{speed_kmh:.0f};0;0;9")


@asynccontextmanager
async def connected(server: Server, name: str = NAME) -> AsyncIterator[Tracker]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.listeners.ports["wialon"])
    tracker = Tracker(reader, writer)
    try:
        tracker.say(f"#L#{name};NA")
        assert await tracker.hear() == b"#AL#1\r\n"
        yield tracker
    finally:
        writer.close()


async def state(server: Server) -> list[tuple[Any, ...]]:
    return await rows(server, STATES)


async def becomes(server: Server, *wanted: tuple[Any, ...]) -> None:
    """The states, and what else is asked of each."""
    found: list[tuple[Any, ...]] = []
    try:
        async with asyncio.timeout(8):
            while [row[: len(want)] for row, want in zip(found, wanted, strict=False)] != list(wanted):
                await asyncio.sleep(0.03)
                found = await state(server)
    except TimeoutError:
        pytest.fail(f"{found} instead of {list(wanted)}")


async def test_a_command_waits_for_its_tracker_is_sent_and_answered(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        with server.bus.subscribe(lambda _: True) as feed:
            number = await order(server, device_id)
            await becomes(server, ("queued", "offline"))
            async with connected(server) as tracker:
                assert await tracker.hear() == b"#M#hello\r\n"
                await becomes(server, ("sent", None, None, 1, True))
                tracker.say("#AM#1")
                await becomes(server, ("answered", None, "1", 1))
            news = []
            while not any(event.type == "commandResult" for event in news):
                news += list((await feed.wait()).events)
        (event,) = [event for event in news if event.type == "commandResult"]
        assert (event.device_id, event.subject) == (device_id, str(number))
        assert event.attributes == {"commandId": number, "command": "custom", "state": "answered", "result": "1"}
        assert await rows(server, "SELECT count(*) FROM events WHERE type = 'commandResult'") == [(1,)]
        assert server.downlink.waiting == 0


async def test_one_after_the_other_and_again_when_nothing_is_said(settings: Settings) -> None:
    async with house(settings, answer_s=0.5, tries=2) as (server, device_id), connected(server) as tracker:
        await order(server, device_id)
        await order(server, device_id)
        assert await tracker.hear() == b"#M#hello\r\n"
        assert await tracker.hear() == b"#M#hello\r\n", "the first one again: nothing was said"
        await becomes(server, ("failed", "no answer to 2 tries", None, 2), ("sent",))
        assert await tracker.hear() == b"#M#hello\r\n", "the second one"
        tracker.say("#AM#0")
        await becomes(server, ("failed",), ("failed", "refused by the tracker", "0"))


async def test_what_a_tracker_does_in_silence_is_done_when_it_is_sent(settings: Settings) -> None:
    h02 = {"protocols": ("h02",), "listeners": {"h02": ListenerSettings(host="127.0.0.1", port=0)}}
    async with running(settings, commands=CommandSettings(answer_s=0.1), **h02) as server:
        ids = await add_devices(server, ("4109000001",))
        await order(server, ids["4109000001"], kind="rebootDevice")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.listeners.ports["h02"])
        writer.write(b"*HQ,4109000001,HTBT#")
        async with asyncio.timeout(5):
            assert await reader.readuntil(b"#") == b"*HQ,4109000001,HTBT#"
            assert (await reader.readuntil(b"#")).startswith(b"*HQ,4109000001,R1,")
        await becomes(server, ("sent", None, None, 1, False))
        writer.close()


async def test_what_was_not_answered_before_the_line_was_lost_is_sent_again(settings: Settings) -> None:
    async with house(settings, answer_s=0.3) as (server, device_id):
        await order(server, device_id)
        async with connected(server) as tracker:
            assert await tracker.hear() == b"#M#hello\r\n"
        await asyncio.sleep(0.4)
        async with connected(server) as tracker:
            assert await tracker.hear() == b"#M#hello\r\n"
            tracker.say("#AM#1")
            await becomes(server, ("answered", None, "1", 2))


async def test_after_a_restart_it_goes_on(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        await order(server, device_id)
        await becomes(server, ("queued", "offline"))
    async with running(settings) as server, connected(server) as tracker:
        assert await tracker.hear() == b"#M#hello\r\n"
        tracker.say("#AM#1")
        await becomes(server, ("answered",))


async def test_what_is_withdrawn_or_too_old_never_leaves(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        first = await order(server, device_id)
        await until(lambda: server.downlink.waiting == 1)  # what is taken back while it is being read may leave yet
        await order(server, device_id, lasts_s=-1)
        async with server.database.pool.connection() as connection:
            assert await store.withdraw(connection, first)
            assert not await store.withdraw(connection, first)
            await store.expire(connection, datetime.now(UTC))
        await until(lambda: server.downlink.waiting == 0)
        async with connected(server) as tracker:
            assert await tracker.silent(0.5)
        assert [row[0] for row in await state(server)] == ["withdrawn", "expired"]


async def test_the_engine_is_stopped_when_the_vehicle_is_slow(settings: Settings) -> None:
    async with house(settings) as (server, device_id), connected(server) as tracker:
        tracker.report(60)
        assert await tracker.hear() == b"#ASD#1\r\n"
        await order(server, device_id, when_slow=True)
        await becomes(server, ("queued", "not slow"))
        assert await tracker.silent(0.3)
        await asyncio.sleep(1)  # reports of one second are one
        tracker.report(5)
        heard = {await tracker.hear(), await tracker.hear()}
        assert heard == {b"#ASD#1\r\n", b"#M#hello\r\n"}


async def test_who_lets_the_engine_run_takes_its_stop_back(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        await order(server, device_id, "engineStop", when_slow=True)
        await order(server, device_id, "engineResume")
        await becomes(server, ("withdrawn", "superseded"), ("queued",))
        await order(server, device_id, "engineStop")
        await becomes(server, ("withdrawn",), ("withdrawn", "superseded"), ("queued",))


async def test_a_queue_is_bounded(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        for _ in range(store.MOST_WAITING):
            await order(server, device_id)
        new = NewCommand(device_id, "custom", {"data": "x"}, timedelta(hours=1))
        async with server.database.pool.connection() as connection:
            assert await store.add(connection, new, datetime.now(UTC)) is None


async def test_what_a_protocol_cannot_say_has_failed_at_once(settings: Settings) -> None:
    async with house(settings) as (server, device_id), connected(server):
        await order(server, device_id, "positionStop")
        await becomes(server, ("failed",))
        ((_, reason, *_rest),) = await state(server)
        assert reason.startswith("cannot be sent: ")


async def test_a_tracker_is_told_to_restart_once(settings: Settings) -> None:
    async with house(settings, answer_s=0.5) as (server, device_id):
        await order(server, device_id, "rebootDevice")
        await order(server, device_id)
        async with connected(server) as tracker:
            assert b"reboot" in await tracker.hear()
        await asyncio.sleep(0.6)
        async with connected(server) as tracker:
            assert await tracker.hear() == b"#M#hello\r\n", "the next one, and no second restart"
        await becomes(server, ("sent", None, None, 1, False), ("sent",))


async def test_a_removed_device_takes_its_commands_with_it(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        await order(server, device_id)
        await until(lambda: server.downlink.waiting == 1)
        async with server.database.pool.connection() as connection:
            await connection.execute("DELETE FROM devices WHERE id = %s", [device_id])
        await until(lambda: server.downlink.waiting == 0)


async def test_text_messages_need_a_gateway_and_a_number(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        await order(server, device_id, sms=True)
        await becomes(server, ("failed", "not configured: no SMS are sent: [sms] url is not set"))


async def test_a_text_message_goes_by_the_gateway_and_is_done(settings: Settings) -> None:
    smsc = Smsc()
    async with serving(smsc):
        gateway = SmsSettings(url=f"smpp://fleet:secret@127.0.0.1:{smsc.port}/Fleet/{{phone}}")
        async with running(settings, sms=gateway) as server:
            device_id = (await add_devices(server, (NAME,)))[NAME]
            async with server.database.pool.connection() as connection:
                await connection.execute("UPDATE devices SET phone = '+77011234567' WHERE id = %s", [device_id])
            await order(server, device_id, sms=True)
            await becomes(server, ("sent", None, None, 1, False))
            assert [(one.destination[2], one.text) for one in smsc.received] == [("77011234567", "#M#hello")]
            await order(server, device_id, "engineStop", sms=True)
            await becomes(server, ("sent",), ("failed",))
            reason = (await state(server))[1][1]
            assert reason.startswith("cannot be sent: the tracker has never reported")
            assert len(smsc.received) == 1


async def test_a_crash_between_sending_and_writing_it_down_sends_it_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(settings) as (server, device_id):
        await order(server, device_id)
        await becomes(server, ("queued", "offline"))
        with monkeypatch.context() as patch:
            patch.setattr(Downlink, "_write", _never)  # the process is killed before it comes to that
            async with connected(server) as tracker:
                assert await tracker.hear() == b"#M#hello\r\n"
            assert [row[0] for row in await state(server)] == ["queued"]
            await asyncio.sleep(1.2)  # nor does the round under way
    async with running(settings) as server, connected(server) as tracker:
        assert await tracker.hear() == b"#M#hello\r\n", "at least once"
        tracker.say("#AM#1")
        await becomes(server, ("answered", None, "1", 1))


async def _never(_: Downlink) -> None:
    await asyncio.sleep(0.05)
