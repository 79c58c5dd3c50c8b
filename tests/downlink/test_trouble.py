"""What may go wrong between queueing a command and its answer: nothing is lost, told to the wrong tracker, or told untruly."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from protocols import Answer, CannotSend, wialon
from telematics.config import Settings, SmsSettings
from telematics.downlink import Downlink
from telematics.store import commands as store
from telematics.store.commands import NewCommand
from tests.channels.smsc import Smsc, serving
from tests.downlink.test_service import NAME, _never, becomes, connected, house, order, state
from tests.store.proxy import Proxy
from tests.test_server import add_devices, rows, running, until


async def test_text_messages_to_many_silent_trackers_all_leave(settings: Settings) -> None:
    """A gateway takes a few at a time; nothing else happens to these devices that would have them looked at again."""
    smsc = Smsc()
    names = [f"silent-{number}" for number in range(12)]
    async with serving(smsc):
        gateway = SmsSettings(url=f"smpp://fleet:secret@127.0.0.1:{smsc.port}/Fleet/{{phone}}")
        async with running(settings, sms=gateway) as server:
            ids = await add_devices(server, names)
            async with server.database.pool.connection() as connection:
                await connection.execute("UPDATE devices SET phone = '+7701' || lpad(id::text, 7, '0')")
            for name in names:
                await order(server, ids[name], sms=True)
            await becomes(server, *[("sent",)] * len(names))
            assert len(smsc.received) == len(names)


async def test_a_text_message_too_old_is_not_sent(settings: Settings) -> None:
    smsc = Smsc()
    async with serving(smsc):
        gateway = SmsSettings(url=f"smpp://fleet:secret@127.0.0.1:{smsc.port}/Fleet/{{phone}}")
        async with running(settings, sms=gateway) as server:
            ids = await add_devices(server, (NAME,))
            async with server.database.pool.connection() as connection:
                await connection.execute("UPDATE devices SET phone = '+77011234567'")
            await order(server, ids[NAME], sms=True, lasts_s=-1)
            await asyncio.sleep(0.5)
            assert smsc.received == []


async def test_a_text_message_is_sent_once_though_its_price_could_not_be_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    smsc = Smsc()
    async with serving(smsc):
        gateway = SmsSettings(url=f"smpp://fleet:secret@127.0.0.1:{smsc.port}/Fleet/{{phone}}")
        async with running(settings, sms=gateway) as server:
            meter = UnluckyMeter()
            server.alerts.meter = meter
            ids = await add_devices(server, (NAME,))
            async with server.database.pool.connection() as connection:
                await connection.execute("UPDATE devices SET phone = '+77011234567'")
            await order(server, ids[NAME], sms=True)
            await becomes(server, ("sent",))
            assert (len(smsc.received), meter.reserved, meter.settled) == (1, 1, 1)


class UnluckyMeter:
    """The database is away when the first message is to be settled."""

    reserved = settled = failures = 0

    async def reserve(self, account_id: int, delivery_id: int, parts: int) -> str | None:
        self.reserved += 1
        return None

    async def settle(self, delivery_id: int, parts: int) -> None:
        if not self.failures:
            self.failures += 1
            raise store_is_away()
        self.settled += 1

    async def give_back(self, delivery_id: int) -> None:
        raise AssertionError("it went out")


def store_is_away() -> Exception:
    return psycopg.OperationalError("the connection is lost")


async def test_what_was_taken_back_while_it_left_is_told_truly(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(settings) as (server, device_id), connected(server) as tracker:
        with monkeypatch.context() as patch:
            patch.setattr(Downlink, "_write", _never)
            number = await order(server, device_id)
            assert await tracker.hear() == b"#M#hello\r\n"
            with server.downlink.held(number) as here:
                assert not here, "it has left, though the table doesn't say so yet"
            async with server.database.pool.connection() as connection:
                assert await store.withdraw(connection, number), "another process doesn't know"
        await becomes(server, ("sent", None, None, 1, True))
        tracker.say("#AM#1")
        await becomes(server, ("answered", None, "1", 1))


async def test_what_is_being_taken_back_does_not_leave(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        number = await order(server, device_id)
        await becomes(server, ("queued", "offline"))
        with server.downlink.held(number) as here:
            assert here
            async with connected(server) as tracker:
                assert await tracker.silent(1.3)
            async with server.database.pool.connection() as connection:
                assert await store.withdraw(connection, number)
        async with connected(server) as tracker:
            assert await tracker.silent(1.3)
        assert await state(server) == [("withdrawn", None, None, 0, True)]
        again = await order(server, device_id)
        with pytest.raises(ZeroDivisionError), server.downlink.held(again):
            raise ZeroDivisionError
        async with connected(server) as tracker:
            assert await tracker.hear() == b"#M#hello\r\n", "it couldn't be taken back: it leaves"


async def test_a_command_that_breaks_its_encoder_harms_no_other(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(settings) as server, AsyncExitStack() as stack:
        ids = await add_devices(server, [NAME, *(f"wialon-{number}" for number in range(2, 6))])
        monkeypatch.setattr(wialon.Link, "command", _bad_with_ping)
        trackers = [await stack.enter_async_context(connected(server, name)) for name in ids]
        async with server.database.pool.connection() as connection:
            for place, device_id in enumerate(ids.values()):
                text = {"data": "ping" if place % 2 else "hello"}
                await store.add(connection, NewCommand(device_id, "custom", text, timedelta(hours=1)), datetime.now(UTC))
        failed = ("failed", "cannot be sent: OverflowError")
        await becomes(server, ("sent",), failed, ("sent",), failed, ("sent",))
        assert [await tracker.hear() for tracker in trackers[::2]] == [b"hello\r\n"] * 3


def _bad_with_ping(_: object, command: Any, serial: int, password: str) -> bytes:
    if command["data"] == "ping":
        raise OverflowError("int too big to convert")
    if command["data"] != "hello":
        raise CannotSend("neither")
    return b"hello\r\n"


async def test_who_is_given_a_tracker_is_not_given_its_commands(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        await order(server, device_id)
        await becomes(server, ("queued", "offline"))
        async with server.database.pool.connection() as connection:
            other = await (await connection.execute("INSERT INTO accounts (name) VALUES ('B') RETURNING id")).fetchone()
            assert other is not None
            await connection.execute("UPDATE devices SET account_id = %s WHERE id = %s", [other[0], device_id])
        await until(lambda: server.downlink.waiting == 0)
        async with connected(server) as tracker:
            assert await tracker.silent(1.2)
        assert await state(server) == [("withdrawn", "moved", None, 0, True)]
        assert server.downlink.waiting == 0


async def test_the_box_that_had_the_number_before_is_told_nothing(settings: Settings) -> None:
    async with house(settings) as (server, device_id), connected(server) as old:
        async with server.database.pool.connection() as connection:
            await connection.execute("UPDATE devices SET unique_id = 'wialon-new' WHERE id = %s", [device_id])
        await until(lambda: server.devices.named("wialon-new") is not None)
        await order(server, device_id)
        assert await old.hear() == b"", "it is hung up on"
        async with connected(server, "wialon-new") as new:
            assert await new.hear() == b"#M#hello\r\n"


async def test_of_two_connections_the_newer_one_is_told(settings: Settings) -> None:
    async with house(settings) as (server, device_id), connected(server) as old, connected(server) as new:
        await order(server, device_id)
        assert await new.hear() == b"#M#hello\r\n"
        old.say("#AM#1")  # by a connection that was asked nothing
        await asyncio.sleep(0.2)
        assert (await state(server))[0][0] == "sent"
        new.say("#AM#1")
        await becomes(server, ("answered",))
        old.writer.close()
        await asyncio.sleep(0.2)
        await order(server, device_id)
        assert await new.hear() == b"#M#hello\r\n", "the old one's end is not the new one's"


async def test_who_has_said_goodbye_is_told_nothing(settings: Settings) -> None:
    """A command that is done when it is sent must not be sent into a connection that nobody reads any more."""
    async with house(settings) as (server, device_id), connected(server) as tracker:
        speaker = server.intake.reach.speaker(device_id)
        assert speaker is not None
        speaker._begin_end()  # type: ignore[attr-defined] # its acknowledgements are still to come
        await order(server, device_id)
        await becomes(server, ("queued", "offline"))
        assert await tracker.silent(0.3)


async def test_a_late_answer_to_what_nobody_wants_any_more_is_not_the_next_ones(settings: Settings) -> None:
    async with house(settings) as (server, device_id), connected(server) as tracker:
        await order(server, device_id)
        assert await tracker.hear() == b"#M#hello\r\n"
        await becomes(server, ("sent",))
        async with server.database.pool.connection() as connection:
            await connection.execute("UPDATE commands SET expires_at = now() - interval '1 s'")
            await store.expire(connection, datetime.now(UTC))
        await order(server, device_id)
        assert await tracker.hear() == b"#M#hello\r\n"
        tracker.say("#AM#0")
        await asyncio.sleep(0.3)
        assert [row[0] for row in await state(server)] == ["expired", "sent"]
        tracker.say("#AM#1")
        await becomes(server, ("expired",), ("answered", None, "1"))


async def test_a_full_queue_loses_nothing_to_its_opposite(settings: Settings) -> None:
    async with house(settings) as (server, device_id):
        await order(server, device_id, "engineStop")
        for _ in range(store.MOST_WAITING - 1):
            await order(server, device_id)
        await order(server, device_id, "engineResume")  # it takes the place of its opposite
        assert next(row[:2] for row in await state(server)) == ("withdrawn", "superseded")
        async with server.database.pool.connection() as connection:
            await connection.execute(  # one more than there is room for, as two who write at once can bring about
                "INSERT INTO commands (account_id, device_id, type, expires_at) "
                "SELECT account_id, device_id, 'custom', expires_at FROM commands WHERE type = 'engineResume'"
            )
            new = NewCommand(device_id, "engineStop", {}, timedelta(hours=1))
            assert await store.add(connection, new, datetime.now(UTC)) is None
        assert await rows(server, "SELECT state FROM commands WHERE type = 'engineResume'") == [("queued",)], "still wanted"


async def test_whatever_a_tracker_answers_is_written_down(settings: Settings) -> None:
    async with house(settings) as (server, device_id), connected(server) as tracker:
        for text in ("x" * 60_000, "\x00\x00nul", "\udcff\udcfe", "']}\"; DROP TABLE commands", "\N{PILE OF POO}" * 5_000):
            number = await order(server, device_id)
            assert await tracker.hear() == b"#M#hello\r\n"
            server.intake.reach.tell(device_id, [Answer(text)])
            await becomes(server, *[("answered",)] * len(await state(server)))
            ((kept, result),) = await rows(
                server,
                "SELECT answer, attributes ->> 'result' FROM commands JOIN events ON subject = commands.id::text "
                "WHERE commands.id = %s",
                number,
            )
            assert 0 < len(kept) <= store.LONGEST_TEXT
            assert result == kept[:1_000]


async def test_the_database_is_away_while_commands_are_under_way(settings: Settings) -> None:
    assert settings.database_url is not None
    with Proxy(settings.database_url) as proxy:
        async with house(settings.model_copy(update={"database_url": proxy.url}), answer_s=30) as (server, device_id):
            for _ in range(3):
                await order(server, device_id)
            async with connected(server) as tracker:
                assert await tracker.hear() == b"#M#hello\r\n"
                await becomes(server, ("sent",))
                await until(lambda: server.downlink.waiting == 3)
                proxy.hold()
                for number in (1, 2):
                    tracker.say("#AM#1")
                    assert await tracker.hear() == b"#M#hello\r\n", f"the queue goes on without the database, {number}"
                tracker.say("#AM#1")
                await asyncio.sleep(2)
                proxy.release()
                await becomes(server, *[("answered", None, "1", 1)] * 3)
            assert await rows(server, "SELECT count(*) FROM events WHERE type = 'commandResult'") == [(3,)]


async def test_a_commit_whose_answer_is_lost_counts_no_try_twice(settings: Settings) -> None:
    assert settings.database_url is not None
    with Proxy(settings.database_url) as proxy:
        async with house(settings.model_copy(update={"database_url": proxy.url}), answer_s=30) as (server, device_id):
            await order(server, device_id)
            await becomes(server, ("queued", "offline"))
            async with connected(server) as tracker:
                proxy.cut_after_commit = True
                assert await tracker.hear() == b"#M#hello\r\n"
                await asyncio.sleep(2.5)
                tracker.say("#AM#1")
                await becomes(server, ("answered", None, "1", 1))
