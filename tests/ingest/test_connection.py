"""One TCP connection: logins, frames, acknowledgements, and its end."""

import asyncio
import socket
import struct

import pytest

from tests.ingest.doubles import call, doors, until


@pytest.mark.parametrize("cut", [1, 3, 7, 1000])
async def test_bytes_may_be_cut_anywhere(cut: int) -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        talk = b"I am truck\nat 1\nat 2\nbeat\nat 3\n"
        for start in range(0, len(talk), cut):
            await tracker.say(talk[start : start + cut])
            await asyncio.sleep(0.001)
        await tracker.hear(b"hello\nbeat\n")
        await until(lambda: len(house.intake.reports) == 3)
        assert house.intake.reports == [("truck", b"at 1"), ("truck", b"at 2"), ("truck", b"at 3")]
        assert (house.counts.frames, house.counts.logins, house.counts.bytes_in) == (3, 1, len(talk))
        assert house.counts.bytes_out == len(b"hello\nbeat\n")


async def test_an_acknowledgement_waits_for_the_commit() -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.ask(b"I am truck\nat 1\nat 2\nbeat\n", b"hello\nbeat\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tracker.reader.read(1), 0.05)
        house.intake.commit()
        await tracker.hear(b"kept at 1\nkept at 2\n")


async def test_each_tracker_is_answered_for_itself() -> None:
    async with doors("truck", "bus") as house, call(house.port) as truck, call(house.port) as bus:
        await truck.ask(b"I am truck\nat 1\n", b"hello\n")
        await bus.ask(b"I am bus\nat 2\n", b"hello\n")
        await until(lambda: len(house.intake.reports) == 2)
        house.intake.commit()
        await truck.hear(b"kept at 1\n")
        await bus.hear(b"kept at 2\n")


async def test_a_gateway_speaks_for_many() -> None:
    """Frames belong to whoever logged in last before them, also when all come in one read."""
    async with doors("truck", "bus") as house, call(house.port) as gateway:
        await gateway.ask(b"I am truck\nat 1\nI am nobody\nat 2\nI am bus\nat 3\n", b"hello\nwho?\nhello\n")
        await until(lambda: len(house.intake.entries) == 2)
        assert house.intake.reports == [("truck", b"at 1"), ("bus", b"at 3")]


async def test_a_stranger_is_noted_and_nothing_of_him_is_stored() -> None:
    async with doors() as house, call(house.port) as tracker:
        await tracker.ask(b"I am nobody\nat 1\nat 2\nbeat\n", b"who?\nbeat\n")
        host, port = tracker.writer.get_extra_info("sockname")
        assert house.intake.strangers == [("lines", "nobody", f"{host}:{port}")]
        assert house.intake.entries == house.intake.rejects == house.intake.heard_of == []
        assert house.refused("frame", "unknown tracker") == 2
        assert house.refused("login", "unknown tracker") == 1


async def test_reports_before_any_login_are_dead_letters() -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.ask(b"at 1\nat 2\nI am truck\n", b"hello\n")
        assert [(bad.reason, bad.frame) for _, bad in house.intake.rejects] == [
            ("before login", b"at 1"),
            ("before login", b"at 2"),
        ]
        assert house.refused("frame", "before login") == 2
        assert house.intake.entries == []


async def test_an_answer_keeps_its_turn_also_for_a_stranger() -> None:
    async with doors() as house, call(house.port) as tracker:
        await tracker.ask(b"I am nobody\nbye\n", b"who?\n")
        await until(lambda: house.intake.entries)
        house.intake.commit()
        assert await tracker.hung_up() == b"bye\n"


async def test_bad_frames_cost_nothing_to_the_good_ones() -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.ask(b"I am truck\nat 1\nbad x\nat 2\nbeat\n", b"hello\nbeat\n")
        assert [(bad.reason, bad.frame) for _, bad in house.intake.rejects] == [("bad line", b"bad x")]
        assert house.intake.reports == [("truck", b"at 1"), ("truck", b"at 2")]
        assert house.refused("frame", "unreadable") == 1


async def test_a_heartbeat_shows_that_the_tracker_is_there() -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.ask(b"I am truck\n", b"hello\n")
        house.intake.heard_of.clear()
        await tracker.ask(b"beat\n", b"beat\n")
        assert house.intake.heard_of == [1]


async def test_the_last_acknowledgement_ends_the_connection() -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.ask(b"I am truck\nat 1\nbye\n", b"hello\n")
        await until(lambda: house.intake.entries)
        house.intake.commit()
        assert await tracker.hung_up() == b"kept at 1\nbye\n"
        tracker.writer.close()
        await until(lambda: house.listeners.connections == 0)


async def test_a_session_that_wants_no_more_is_hung_up_on() -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.say(b"I am truck\nquit\nat 1\n")
        assert await tracker.hung_up() == b"hello\nquit\n"
        assert house.intake.entries == []


async def test_the_last_word_is_heard_also_by_one_who_goes_on_talking() -> None:
    async with doors("truck", write_s=1) as house, call(house.port) as tracker:
        await tracker.say(b"I am truck\nquit\n" + b"at 1\n" * 1_000_000)
        assert await tracker.hung_up() == b"hello\nquit\n"
        assert house.intake.entries == []
        await until(lambda: house.listeners.connections == 0)  # it doesn't hang up: its time ends too
        assert house.counts.refused == {}


async def test_what_is_still_owed_is_paid_before_hanging_up() -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.ask(b"I am truck\nat 1\nquit\n", b"hello\nquit\n")
        await asyncio.sleep(0.05)
        assert house.listeners.connections == 1
        house.intake.commit()
        assert await tracker.hung_up() == b"kept at 1\n"


async def test_a_tracker_that_has_said_all_still_gets_its_acknowledgement() -> None:
    async with doors("truck") as house, call(house.port) as tracker:
        await tracker.ask(b"I am truck\nat 1\n", b"hello\n")
        tracker.writer.write_eof()
        await until(lambda: len(house.intake.entries) == 2)
        house.intake.commit()
        assert await tracker.hung_up() == b"kept at 1\n"
        await until(lambda: house.listeners.connections == 0)


async def test_acknowledgements_for_a_tracker_that_has_gone_are_dropped() -> None:
    async with doors("truck") as house:
        async with call(house.port) as tracker:
            await tracker.ask(b"I am truck\nat 1\n", b"hello\n")
            linger = struct.pack("ii", 1, 0)
            tracker.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await until(lambda: house.listeners.connections == 0)
        sent = house.counts.bytes_out
        house.intake.commit()
        assert house.counts.bytes_out == sent


async def test_a_session_that_fails_costs_its_own_connection_only(capsys: pytest.CaptureFixture[str]) -> None:
    async with doors("truck") as house, call(house.port) as good, call(house.port) as bad:
        await good.ask(b"I am truck\n", b"hello\n")
        await bad.say(b"crash\n")
        assert await bad.hung_up() == b""
        await good.ask(b"beat\n", b"beat\n")
        assert house.refused("connection", "session failed") == 1
        assert "session failed" in capsys.readouterr().out


async def test_a_removed_device_is_hung_up_on() -> None:
    async with doors("truck", "bus") as house, call(house.port) as truck, call(house.port) as bus:
        await truck.ask(b"I am truck\n", b"hello\n")
        await bus.ask(b"I am bus\n", b"hello\n")
        assert house.listeners.drop(1) == 1
        assert await truck.hung_up() == b""
        await bus.ask(b"beat\n", b"beat\n")
