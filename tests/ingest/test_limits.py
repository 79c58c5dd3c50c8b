"""What one tracker, or one address, may cost; and what happens while the pipeline has no room."""

import asyncio
import socket

import pytest

from telematics.config import LimitSettings
from telematics.ingest.connection import Tracker
from telematics.ingest.crowd import Crowd, network, plain, printable
from telematics.ingest.metrics import Counts
from tests.ingest.doubles import Intake, call, doors, lines_codec, until


async def test_who_does_not_log_in_is_hung_up_on() -> None:
    async with doors("truck", login_s=0.2) as house:
        async with call(house.port) as silent, call(house.port) as stranger, call(house.port) as truck:
            await truck.ask(b"I am truck\n", b"hello\n")
            await stranger.ask(b"I am nobody\n", b"who?\n")
            assert await silent.hung_up() == b""
            assert await stranger.hung_up() == b""
            await truck.ask(b"beat\n", b"beat\n")
        assert house.refused("connection", "no login in time") == 2


async def test_who_says_nothing_for_long_is_hung_up_on() -> None:
    async with doors("truck", "bus", idle_s=0.4) as house, call(house.port) as truck, call(house.port) as bus:
        await truck.ask(b"I am truck\n", b"hello\n")
        await bus.ask(b"I am bus\n", b"hello\n")
        for _ in range(8):
            await asyncio.sleep(0.1)
            await bus.ask(b"beat\n", b"beat\n")
        assert await truck.hung_up() == b""
        assert house.refused("connection", "idle") == 1


async def test_who_never_reads_is_cut_off_and_costs_a_bounded_buffer() -> None:
    async with doors("truck", write_s=0.3) as house, call(house.port, limit=1) as tracker:
        tracker.writer.transport.pause_reading()  # type: ignore[attr-defined]
        tracker.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await tracker.say(b"I am truck\n")
        await until(lambda: house.counts.logins)
        with pytest.raises((ConnectionError, TimeoutError)):
            await asyncio.wait_for(tracker.say(b"flood 100\n" * 4_000_000), 10)
        await until(lambda: house.listeners.connections == 0)
        assert house.refused("connection", "does not take what is written") == 1
        assert house.counts.bytes_out < 64_000_000


async def test_an_acknowledgement_that_never_comes_does_not_keep_a_finished_connection() -> None:
    async with doors("truck", write_s=0.3) as house, call(house.port) as tracker:
        await tracker.ask(b"I am truck\nat 1\nquit\n", b"hello\nquit\n")
        assert await tracker.hung_up() == b""
        await until(lambda: house.listeners.connections == 0)


async def test_connections_per_address_are_bounded() -> None:
    async with doors(connections_per_address=2) as house:
        async with call(house.port), call(house.port):
            await until(lambda: house.listeners.connections == 2)
            async with call(house.port) as third:
                assert await third.hung_up() == b""
            assert house.refused("connection", "too many connections from the address") == 1
        await until(lambda: house.listeners.connections == 0)
        async with call(house.port) as again:
            await again.ask(b"beat\n", b"beat\n")


async def test_connections_in_all_are_bounded() -> None:
    async with doors(connections=1) as house, call(house.port):
        await until(lambda: house.listeners.connections == 1)
        async with call(house.port) as second:
            assert await second.hung_up() == b""
        assert house.refused("connection", "too many connections") == 1
        assert house.counts.open == 1


async def test_while_the_pipeline_has_no_room_nothing_is_read_and_nothing_is_lost() -> None:
    lines = [b"at %08d\n" % place for place in range(500_000)]
    async with doors("truck", "bus") as house, call(house.port) as truck:
        await truck.ask(b"I am truck\n", b"hello\n")
        house.intake.fill()
        sending = asyncio.create_task(truck.say(b"".join(lines)))
        async with call(house.port) as bus:  # let in, but not read
            await bus.say(b"I am bus\nat 0\n")
            await asyncio.sleep(0.2)
            assert house.intake.entries == []
            assert not sending.done(), "the kernel's buffers are full, the tracker waits"
            assert house.metrics.paused_s() > 0.15
            house.intake.empty()
            await bus.hear(b"hello\n")
            await sending
            await until(lambda: len(house.intake.reports) == len(lines) + 1, within_s=20)
        assert [payload + b"\n" for who, payload in house.intake.reports if who == "truck"] == lines


async def test_trackers_are_not_found_silent_while_we_do_not_listen() -> None:
    async with doors("truck", idle_s=0.3, login_s=0.3) as house, call(house.port) as truck, call(house.port) as late:
        await truck.ask(b"I am truck\n", b"hello\n")
        house.intake.fill()
        await late.say(b"I am truck\n")
        await asyncio.sleep(0.8)
        assert house.listeners.connections == 2
        house.intake.empty()
        await late.hear(b"hello\n")
        assert await truck.hung_up() == b""


async def test_datagrams_are_dropped_and_counted_while_the_pipeline_has_no_room() -> None:
    async with doors("truck") as house:
        house.intake.fill()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tracker:
            tracker.sendto(b"I am truck\nat 1\n", ("127.0.0.1", house.port))
        await until(lambda: house.refused("datagram", "pipeline is full"))
        assert house.intake.entries == []


class Wire(asyncio.Transport):
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is written."""

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""

    def close(self) -> None:
        """Nothing is at the other end."""


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("pauses", "heard_s_ago", "overdue"),
    [
        pytest.param([], 59, False, id="in time"),
        pytest.param([], 61, True, id="silent"),
        pytest.param([(10, 40)], 61, False, id="30 s of it we did not listen"),
        pytest.param([(10, 40)], 91, True, id="silent apart from that"),
        pytest.param([(0, 10), (20, 30), (40, 50)], 89, False, id="pauses add up"),
        pytest.param([(0, 10), (20, 30), (40, 50)], 91, True, id="many pauses do not keep a dead connection for ever"),
    ],
)
async def test_silence_is_measured_while_we_listen(pauses: list[tuple[float, float]], heard_s_ago: float, overdue: bool) -> None:
    clock = Clock()
    crowd = Crowd(LimitSettings(idle_s=60, login_s=600), clock)
    tracker = Tracker(lines_codec(), Intake(), Counts(), crowd)  # type: ignore[arg-type]
    crowd.enter(tracker)
    crowd.seat(tracker, "203.0.113.7")
    tracker.connection_made(Wire())
    for start, end in pauses:
        clock.now_s = 1000 + start
        crowd.pause()
        clock.now_s = 1000 + end
        crowd.resume()
    clock.now_s = 1000 + heard_s_ago
    crowd.sweep()
    assert tracker.gone == overdue


@pytest.mark.parametrize(
    ("host", "counted_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (plain("::ffff:203.0.113.7"), "203.0.113.7"),
    ],
)
def test_an_address_is_what_one_customer_is_given(host: str, counted_as: str) -> None:
    assert network(host) == counted_as


@pytest.mark.parametrize(
    ("host", "shown"), [("203.0.113.7", "203.0.113.7:80"), ("2001:db8::1", "[2001:db8::1]:80"), ("unknown", "unknown:80")]
)
def test_an_address_is_shown_with_its_port(host: str, shown: str) -> None:
    assert printable(host, 80) == shown
