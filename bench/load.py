"""The load of `make bench`: thousands of trackers in one process, as cheap as can be: server and database share the machine.

Packets are not built one by one: a group of connections shares an array of them (`wires.py`), and each sends slices of it.

    python -m bench.load --protocol gt06 --connections 2000 --rate max --window 8 --duration 20 --port 5023
    python -m bench.load --protocol teltonika --records 10 --rate 50000    open loop: latency counts from when a packet was due
    python -m bench.load --protocol gt06 --idle 10000 --duration 30        logged in and silent; says "ready" when all are
    python -m bench.load --mix gt06:800:1:5023,teltonika:50:10:5027        protocol, connections, positions a packet, port; each
                                                                           connection has as many packets under way

Trackers call themselves --first-id, --first-id + 1, …: the server has to know them. Times begin at --start and go on by a second
a position: the next run on the same devices starts where `next_start` of the last one says. The last line of output is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from bench.wires import PORTS, WIRES, Chunk, Wire

GROUP = 64  # connections that share an array
PER_SOURCE = 1000  # connections from one address of 127.0.0.0/8: below the server's limit, and far from the end of ports
TICK_S = 0.002  # of the open loop
MOST_WAITING = 2000  # packets of a connection without an acknowledgement in the open loop
DRAIN_S = 15.0
DRAIN_LOOK_S = 0.05
SUB_BUCKETS = 32  # per doubling of the latency: 3 % fine


class Group:
    """Connections that share chunks of packets: made when the first needs one, forgotten when the last has taken it."""

    def __init__(self, wire: Wire, connections: range) -> None:
        self._wire, self._connections = wire, connections
        self._chunks: dict[int, tuple[Chunk, int]] = {}

    def take(self, number: int) -> Chunk:
        chunk, users = self._chunks.get(number) or (self._wire.chunk(self._connections, number), 0)
        if users + 1 == len(self._connections):
            self._chunks.pop(number, None)
        else:
            self._chunks[number] = (chunk, users + 1)
        return chunk


class Figures:
    """What came of it, for positions sent after the warm-up."""

    def __init__(self) -> None:
        self.sent = self.acknowledged = self.packets = self.errors = self.withheld = 0
        self.counting = self.sending = False
        self.accepted = 0
        self.buckets = [0] * (SUB_BUCKETS * 40)

    def took(self, seconds: float, packets: int) -> None:
        micros = int(seconds * 1e6) | SUB_BUCKETS
        shift = micros.bit_length() - 6
        self.buckets[shift * SUB_BUCKETS + (micros >> shift)] += packets

    def latency_ms(self, share: float) -> float | None:
        buckets = np.array(self.buckets)
        if not buckets.sum():
            return None
        place = int(np.searchsorted(np.cumsum(buckets), share * buckets.sum()))
        shift, rest = divmod(place - SUB_BUCKETS, SUB_BUCKETS)
        return round(float((rest + SUB_BUCKETS + 1) << max(0, shift)) / 1000, 2)


class Tracker(asyncio.Protocol):
    """One connection, the `place`th of its group."""

    def __init__(
        self, number: int, part: Part, wire: Wire, group: Group, place: int, skip: int, figures: Figures, window: int
    ) -> None:
        self.number, self.part, self._wire, self._group, self._figures = number, part, wire, group, figures
        self._window = window
        self._at = place * wire.chunk_packets  # where its packets are in a chunk
        # Groups begin at different places in a chunk, so that they don't all need the next one at once
        self._skip = skip % wire.chunk_packets
        self._chunk, self._begins = group.take(0)
        self._next, self._last = self._at + self._skip, self._at + wire.chunk_packets  # packets of the chunk
        self._chunks = 1
        self._rest = b""
        self._answered = self._skip
        self.waiting: deque[tuple[float, int]] = deque()  # when sent, how many
        self.unanswered = 0
        self.logged_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        hello = self._wire.hello(self.number)
        if hello:
            self._transport.write(hello)
        else:
            self.logged_in.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data, self._rest = self._rest + data, b""
        if not self.logged_in.done():
            data = self._login(data)
            if not data:
                return
        count, taken = self._wire.answers(data)
        if taken < len(data):
            data, self._rest = data[:taken], data[taken:]
        if count:
            self._acknowledged(data, count)

    def _login(self, data: bytes) -> bytes:
        try:
            taken = self._wire.accepted(data)
        except ConnectionRefusedError as error:
            self.logged_in.set_exception(error)
            return b""
        if not taken:
            self._rest = data
            return b""
        self._figures.accepted += 1
        self.logged_in.set_result(None)
        return data[taken:]

    def _acknowledged(self, data: bytes, count: int) -> None:
        figures, waiting = self._figures, self.waiting
        if count > self.unanswered or self._wire.wrong(data, self._answered):
            figures.errors += 1
            count = min(count, self.unanswered)
        self._answered += count
        self.unanswered -= count
        if figures.counting:
            figures.acknowledged += count * self.part.records
            figures.packets += count
            self.part.acknowledged += count
        now, left = time.perf_counter(), count
        while left:
            sent, packets = waiting[0]
            done = packets if packets <= left else left
            if figures.counting:
                figures.took(now - sent, done)
            left -= done
            if done == packets:
                waiting.popleft()
            else:
                waiting[0] = (sent, packets - done)
        if self._window and figures.sending:
            self.send(count, now)

    def start(self) -> None:
        if self._window:
            self.send(self._window, time.perf_counter())

    def send(self, count: int, due: float) -> None:
        self.waiting.append((due, count))
        self.unanswered += count
        if self._figures.counting:
            self._figures.sent += count * self.part.records
        begins = self._begins
        while count:
            if self._next == self._last:
                self._chunk, self._begins = self._group.take(self._chunks)
                begins = self._begins
                self._chunks += 1
                self._next, self._last = self._at, self._at + self._wire.chunk_packets
            packets = min(count, self._last - self._next)
            self._transport.write(self._chunk[begins[self._next] : begins[self._next + packets]])
            self._next += packets
            count -= packets

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.logged_in.done():
            self.logged_in.set_exception(ConnectionRefusedError("the server hung up on the login"))
        if self._figures.sending:
            self._figures.errors += 1
        self._transport = _Gone()

    def close(self) -> None:
        self._transport.close()

    @property
    def alive(self) -> bool:
        return not isinstance(self._transport, _Gone)

    @property
    def acknowledged(self) -> int:
        return self._answered - self._skip

    @property
    def sent(self) -> int:
        return self.acknowledged + self.unanswered + self._skip


class _Gone:
    """Takes the place of a lost connection."""

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class Part:
    """The trackers of one protocol."""

    def __init__(self, protocol: str, connections: int, records: int, port: int) -> None:
        self.protocol, self.connections, self.records, self.port = protocol, connections, records, port
        self.acknowledged = 0  # packets, while it counts

    @classmethod
    def of(cls, text: str) -> Part:
        protocol, connections, records, port = text.split(":")
        return cls(protocol, int(connections), int(records), int(port))


def unique_id(protocol: str, first_id: int, number: int) -> str:
    """What the tracker with that number calls itself."""
    return str((first_id // 1000 if protocol == "jt808" else first_id) + number)


async def connect(options: argparse.Namespace, parts: list[Part], figures: Figures, window: int) -> list[Tracker]:
    """All trackers, logged in."""
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(200)
    trackers: list[Tracker] = []

    async def one(number: int, part: Part, wire: Wire, group: Group, place: int) -> None:
        async with room:
            tracker = Tracker(number, part, wire, group, place, number // GROUP, figures, window)
            source = (f"127.0.0.{1 + number // PER_SOURCE}", 0) if options.host.startswith("127.") else None
            await loop.create_connection(lambda: tracker, options.host, part.port, local_addr=source)
            await asyncio.wait_for(tracker.logged_in, 60)
            trackers.append(tracker)

    coming, first = [], 0
    for part in parts:
        wire = WIRES[part.protocol](options.first_id, options.start, part.records)
        for at in range(first, first + part.connections, GROUP):
            numbers = range(at, min(at + GROUP, first + part.connections))
            group = Group(wire, numbers)
            coming += [one(number, part, wire, group, place) for place, number in enumerate(numbers)]
        first += part.connections
    await asyncio.gather(*coming)
    trackers.sort(key=lambda tracker: tracker.number)
    if len(parts) > 1:
        random.Random(1).shuffle(trackers)  # or each protocol's would have their turn one after the other
    return trackers


async def open_loop(trackers: list[Tracker], figures: Figures, packets_per_s: float) -> None:
    """Packets at an even rate, whatever the server does. A packet that should have gone earlier counts from when it was due."""
    start, sent, count = time.perf_counter(), 0, len(trackers)
    while figures.sending:
        due = int((time.perf_counter() - start) * packets_per_s)
        for number in range(sent, due):
            tracker = trackers[number % count]
            if tracker.unanswered < MOST_WAITING:
                tracker.send(1, start + number / packets_per_s)
            else:
                figures.withheld += 1
        sent = max(sent, due)
        await asyncio.sleep(TICK_S)


async def drained(trackers: list[Tracker]) -> int:
    """Wait for the last acknowledgements; how many packets are still without at the end."""
    left = 0
    for _ in range(int(DRAIN_S / DRAIN_LOOK_S)):
        left = sum(tracker.unanswered for tracker in trackers)
        if not left:
            break
        await asyncio.sleep(DRAIN_LOOK_S)
    return left


async def load(options: argparse.Namespace) -> dict[str, Any]:
    parts: list[Part] = options.mix or [
        Part(options.protocol, options.idle or options.connections, options.records, options.port)
    ]
    figures = Figures()
    window = options.window if options.rate == "max" else 0
    started = time.perf_counter()
    trackers = await connect(options, parts, figures, window)
    connected_s = time.perf_counter() - started
    print("ready", flush=True)
    if options.idle:
        await asyncio.sleep(options.duration)
        alive = sum(tracker.alive for tracker in trackers)
        return {"idle": options.idle, "accepted": figures.accepted, "alive": alive, "connected_s": round(connected_s, 2)}
    figures.sending = True
    for tracker in trackers:
        tracker.start()
    mean = sum(part.connections * part.records for part in parts) / sum(part.connections for part in parts)
    pacing = None if window else asyncio.create_task(open_loop(trackers, figures, float(options.rate) / mean))
    await asyncio.sleep(options.warmup)
    figures.counting, begin, cpu = True, time.perf_counter(), time.process_time()
    await asyncio.sleep(options.duration)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    acknowledged, sent, packets = figures.acknowledged, figures.sent, figures.packets
    by_protocol = {part.protocol: (part.acknowledged, part.acknowledged * part.records) for part in parts}
    figures.sending = False
    if pacing is not None:
        await pacing
    left = await drained(trackers)
    for tracker in trackers:
        tracker.close()
    return {
        "protocol": ",".join(part.protocol for part in parts),
        "connections": len(trackers),
        "rate": options.rate,
        "window": window,
        "seconds": round(seconds, 3),
        "sent": sent,
        "acknowledged": acknowledged,
        "acknowledged_per_s": round(acknowledged / seconds),
        "packets_per_s": round(packets / seconds),
        "shares": {
            name: {"of_packets": round(told[0] / max(1, packets), 3), "of_positions": round(told[1] / max(1, acknowledged), 3)}
            for name, told in by_protocol.items()
        },
        # warm-up and drain as well
        "acknowledged_at_last": sum(tracker.acknowledged * tracker.part.records for tracker in trackers),
        "unacknowledged_packets_at_last": left,
        "p50_ms": figures.latency_ms(0.5),
        "p99_ms": figures.latency_ms(0.99),
        "max_ms": figures.latency_ms(1.0),
        "errors": figures.errors,
        "withheld": figures.withheld,
        "connected_s": round(connected_s, 2),
        "cpu_s": round(cpu, 3),
        "next_start": (options.start + timedelta(seconds=max(t.sent * t.part.records for t in trackers))).isoformat(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=tuple(WIRES), default="gt06")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument(
        "--mix", type=lambda text: [Part.of(one) for one in text.split(",")], help="instead of --protocol: see above"
    )
    parser.add_argument("--records", type=int, default=1, help="positions in a packet")
    parser.add_argument("--rate", default="max", help="positions a second of all trackers, or max")
    parser.add_argument("--window", type=int, default=8, help="at --rate max: packets under way per connection")
    parser.add_argument("--duration", type=float, default=10.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--idle", type=int, default=0, help="only open so many connections and hold them")
    parser.add_argument("--first-id", type=int, default=860_000_000_000_000)
    parser.add_argument("--start", type=datetime.fromisoformat, default=None, help="time of the first position; default: 6 h ago")
    parser.add_argument("--json", type=Path, nargs="?", help="write the figures there too")
    options = parser.parse_args()
    options.port = options.port or PORTS[options.protocol]
    start = options.start or datetime.now(UTC) - timedelta(hours=6)
    options.start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(load(options))
    except (OSError, TimeoutError) as error:
        print(f"no load: {error or 'no answer to a login'}", file=sys.stderr)
        raise SystemExit(1) from None
    text = json.dumps(figures)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
