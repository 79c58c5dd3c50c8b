"""The load of `make bench`: thousands of trackers in one process, as cheap as can be: server and database share the machine.

Packets are not built one by one. A group of connections shares a numpy array of packets in which only time, latitude, serial
and checksum change; a connection sends slices of it. A GT06 checksum is put together from tables: CRCs are linear, so that of a
packet is its template's, XORed with one table entry per byte that differs.

    python bench/load.py --protocol gt06 --connections 2000 --rate max --window 8 --duration 20 --port 5023
    python bench/load.py --protocol teltonika --records 10 --rate 50000    open loop: latency counts from when a packet was due
    python bench/load.py --protocol gt06 --idle 10000 --duration 30        logged in and silent; says "ready" when all are

Trackers call themselves --first-id, --first-id + 1, …: the server has to know them. Times begin at --start and go on by a second
a position: the next run on the same devices starts where `next_start` of the last one says. The last line of output is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import struct
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from fastcrc.crc16 import arc, ibm_sdlc
from numpy.typing import NDArray

Bytes2D = NDArray[np.uint8]

GROUP = 64  # connections that share an array
PER_SOURCE = 1000  # connections from one address of 127.0.0.0/8: below the server's limit, and far from the end of ports
TICK_S = 0.002  # of the open loop
MOST_WAITING = 2000  # packets of a connection without an acknowledgement in the open loop
STEP_DEG = 9e-5  # ten metres north a second, 36 km/h
TURN = 512  # seconds until it comes back
DRAIN_S = 15.0
DRAIN_LOOK_S = 0.05
SUB_BUCKETS = 32  # per doubling of the latency: 3 % fine


class Gt06:
    """Location 0x22 with cell, ignition and odometer; answered by 10 bytes that repeat the serial."""

    answer_bytes = 10
    chunk_packets = 64  # of each connection in an array; together it takes under a millisecond to make

    def __init__(self, first_id: int, start: datetime, records: int) -> None:
        if records != 1:
            raise SystemExit("a GT06 packet holds one position")
        self._first_id, self._start = first_id, start.replace(microsecond=0)
        self.packet_bytes = len(self._template(0))
        length = self.packet_bytes - 6  # what the checksum covers: from the length to the serial
        self._tables = _crc_tables(length)

    def hello(self, connection: int) -> bytes:
        body = bytes((0x11, 0x01)) + bytes.fromhex(f"{self._first_id + connection:016d}") + b"\x20\x01\x00\x02" + b"\x00\x00"
        return b"xx" + body + ibm_sdlc(body).to_bytes(2, "big") + b"\r\n"

    def accepted(self, data: bytes) -> int:
        """How many bytes of data are the answer to the login; 0: not yet whole."""
        return 10 if len(data) >= 10 else 0

    def _template(self, connection: int) -> bytes:
        place = struct.pack(">BIIBH", 0xCC, 0, round((71.0 + connection % 4000 / 1000) * 1_800_000), 36, 0xD400)
        body = bytes((0, 0x22)) + bytes(6) + place + b"\x01\x91\x02\x52\x49\x00\x27\xdb" + bytes(7) + bytes(2)
        body = bytes((len(body) + 1,)) + body[1:]
        return b"xx" + body + b"\x00\x00\r\n"

    def chunk(self, connections: range, number: int) -> bytes:
        """`chunk_packets` packets of each connection, one connection behind the other."""
        count, each, size = len(connections), self.chunk_packets, self.packet_bytes
        packets = np.empty((count, each, size), np.uint8)
        templates = [self._template(connection) for connection in connections]
        packets[:] = np.frombuffer(b"".join(templates), np.uint8).reshape(count, 1, size)
        step = np.arange(number * each, (number + 1) * each)
        packets[:, :, 4:10] = self._times(step)
        packets[:, :, 11:15] = _big_endian(_latitude(step) * 1_800_000, ">u4")
        packets[:, :, size - 6 : size - 4] = _big_endian((step + 1) & 0xFFFF, ">u2")
        base = np.array([ibm_sdlc(template[2:-4]) for template in templates], np.uint16)
        crc = np.broadcast_to(base[:, None], (count, each)).copy()
        for at in (*range(4, 10), *range(11, 15), size - 6, size - 5):
            crc ^= self._tables[at - 2][packets[0, :, at]]
        packets[:, :, size - 4 : size - 2] = _big_endian(crc, ">u2")
        return packets.tobytes()

    def _times(self, step: NDArray[np.int64]) -> Bytes2D:
        moments = np.datetime64(self._start.replace(tzinfo=None), "s") + step
        days, months, years = (moments.astype(f"M8[{unit}]") for unit in "DMY")
        seconds = (moments - days).astype(np.int64)
        return np.stack(
            (
                years.astype(np.int64) - 30,  # years since 1970 to years since 2000
                (months - years).astype(np.int64) + 1,
                (days - months).astype(np.int64) + 1,
                seconds // 3600,
                seconds // 60 % 60,
                seconds % 60,
            ),
            axis=1,
        ).astype(np.uint8)

    def wrong(self, answers: bytes, packets_before: int) -> bool:
        """Whether these whole answers, the first of them to packet number packets_before, are not what they should be."""
        last = packets_before + len(answers) // 10
        return answers[3] != 0x22 or int.from_bytes(answers[-6:-4], "big") != last & 0xFFFF


def _crc_tables(length: int) -> list[NDArray[np.uint16]]:
    """For each place in a message of that length, what each value of its byte adds to the checksum."""
    zero = ibm_sdlc(bytes(length))
    tables = []
    for at in range(length):
        message = bytearray(length)
        entries = np.empty(256, np.uint16)
        for value in range(256):
            message[at] = value
            entries[value] = ibm_sdlc(bytes(message)) ^ zero
        tables.append(entries)
    return tables


class Teltonika:
    """Codec 8 Extended with 12 IO elements a record; answered by the number of records."""

    answer_bytes = 4
    chunk_packets = 8  # of each connection in an array, which takes 3 ms to make

    def __init__(self, first_id: int, start: datetime, records: int) -> None:
        self._first_id, self._records = first_id, records
        self._start_ms = int(start.timestamp()) * 1000
        elements = (
            struct.pack(">HH", 0, 12)
            + struct.pack(">H", 6)
            + b"".join(
                struct.pack(">HB", key, value) for key, value in ((239, 1), (240, 1), (21, 4), (69, 1), (200, 0), (113, 96))
            )
            + struct.pack(">H", 4)
            + b"".join(struct.pack(">HH", *io) for io in ((66, 13_870), (67, 4100), (181, 14), (182, 8)))
            + struct.pack(">H", 2)
            + b"".join(struct.pack(">HI", *io) for io in ((241, 40101), (16, 12_345_678)))
            + struct.pack(">HH", 0, 0)
        )
        self._record = np.dtype(
            [("time", ">u8"), ("priority", "u1"), ("longitude", ">i4"), ("latitude", ">i4"), ("altitude", ">i2"),
             ("course", ">u2"), ("satellites", "u1"), ("speed", ">u2"), ("elements", "u1", (len(elements),))]
        )  # fmt: skip
        self._elements = np.frombuffer(elements, np.uint8)
        self._packet = np.dtype(
            [("zero", ">u4"), ("length", ">u4"), ("codec", "u1"), ("count", "u1"), ("records", self._record, (records,)),
             ("again", "u1"), ("crc", ">u4")]
        )  # fmt: skip
        self.packet_bytes = self._packet.itemsize

    def hello(self, connection: int) -> bytes:
        return b"\x00\x0f" + f"{self._first_id + connection:015d}".encode()

    def accepted(self, data: bytes) -> int:
        if data[:1] == b"\x00":
            raise ConnectionRefusedError("the server does not know the tracker")
        return 1

    def chunk(self, connections: range, number: int) -> bytes:
        each = self.chunk_packets
        packets = np.zeros((len(connections), each), self._packet)
        packets["length"] = self.packet_bytes - 12
        packets["codec"] = 0x8E
        packets["count"] = packets["again"] = self._records
        first = number * each * self._records
        step = np.arange(first, first + each * self._records).reshape(1, each, self._records)
        records = packets["records"]
        records["time"] = self._start_ms + step * 1000
        records["longitude"] = ((71.0 + np.asarray(connections) % 4000 / 1000) * 1e7).astype(np.int64).reshape(-1, 1, 1)
        records["latitude"] = (_latitude(step) * 1e7).astype(np.int64)
        records["altitude"], records["satellites"], records["speed"] = 640, 12, 36
        records["elements"] = self._elements
        plain, size = packets.tobytes(), self.packet_bytes
        packets["crc"].reshape(-1)[:] = [arc(plain[at + 8 : at + size - 4]) for at in range(0, len(plain), size)]
        return packets.tobytes()

    def wrong(self, answers: bytes, packets_before: int) -> bool:
        return int.from_bytes(answers[:4], "big") != self._records


WIRES: dict[str, type[Gt06] | type[Teltonika]] = {"gt06": Gt06, "teltonika": Teltonika}


def _latitude(step: NDArray[np.int64]) -> NDArray[np.float64]:
    """There and back, so that nobody leaves the country."""
    return 46.0 + np.abs(step % (2 * TURN) - TURN) * STEP_DEG


def _big_endian(values: NDArray[Any], kind: str) -> Bytes2D:
    wide = values.astype(kind)
    return wide[..., None].view(np.uint8)


class Group:
    """Connections that share chunks of packets: made when the first needs one, forgotten when the last has taken it."""

    def __init__(self, wire: Gt06 | Teltonika, connections: range) -> None:
        self._wire, self._connections = wire, connections
        self._chunks: dict[int, tuple[bytes, int]] = {}

    def take(self, number: int) -> bytes:
        chunk, users = self._chunks.get(number) or (self._wire.chunk(self._connections, number), 0)
        if users + 1 == len(self._connections):
            self._chunks.pop(number, None)
        else:
            self._chunks[number] = (chunk, users + 1)
        return chunk


class Figures:
    """What came of it, for positions sent after the warm-up."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.sent = self.acknowledged = self.errors = self.withheld = 0
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
    """One connection."""

    def __init__(self, number: int, wire: Gt06 | Teltonika, group: Group, figures: Figures, window: int) -> None:
        self.number, self._wire, self._group, self._figures, self._window = number, wire, group, figures, window
        self._at = number % GROUP * wire.chunk_packets  # where its packets are in a chunk
        # Groups begin at different places in a chunk, so that they don't all need the next one at once
        self._skip = number // GROUP % wire.chunk_packets
        self._size = wire.packet_bytes
        self._chunk = group.take(0)
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
        self._transport.write(self._wire.hello(self.number))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data, self._rest = self._rest + data, b""
        if not self.logged_in.done():
            data = self._login(data)
            if not data:
                return
        answer = self._wire.answer_bytes
        count, rest = divmod(len(data), answer)
        if rest:
            data, self._rest = data[:-rest], data[-rest:]
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
            figures.acknowledged += count * figures.records
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
            self._figures.sent += count * self._figures.records
        while count:
            if self._next == self._last:
                self._chunk = self._group.take(self._chunks)
                self._chunks += 1
                self._next, self._last = self._at, self._at + self._wire.chunk_packets
            packets = min(count, self._last - self._next)
            self._transport.write(self._chunk[self._next * self._size : (self._next + packets) * self._size])
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


async def connect(
    options: argparse.Namespace, wire: Gt06 | Teltonika, figures: Figures, count: int, window: int
) -> list[Tracker]:
    """All trackers, logged in."""
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(200)
    groups = [Group(wire, range(at, min(at + GROUP, count))) for at in range(0, count, GROUP)]
    trackers: list[Tracker] = []

    async def one(number: int) -> None:
        async with room:
            tracker = Tracker(number, wire, groups[number // GROUP], figures, window)
            source = (f"127.0.0.{1 + number // PER_SOURCE}", 0) if options.host.startswith("127.") else None
            await loop.create_connection(lambda: tracker, options.host, options.port, local_addr=source)
            await asyncio.wait_for(tracker.logged_in, 60)
            trackers.append(tracker)

    await asyncio.gather(*(one(number) for number in range(count)))
    return sorted(trackers, key=lambda tracker: tracker.number)


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
    wire = WIRES[options.protocol](options.first_id, options.start, options.records)
    figures = Figures(options.records)
    window = options.window if options.rate == "max" else 0
    started = time.perf_counter()
    trackers = await connect(options, wire, figures, options.idle or options.connections, window)
    connected_s = time.perf_counter() - started
    print("ready", flush=True)
    if options.idle:
        await asyncio.sleep(options.duration)
        alive = sum(tracker.alive for tracker in trackers)
        return {"idle": options.idle, "accepted": figures.accepted, "alive": alive, "connected_s": round(connected_s, 2)}
    figures.sending = True
    for tracker in trackers:
        tracker.start()
    pacing = None if window else asyncio.create_task(open_loop(trackers, figures, float(options.rate) / options.records))
    await asyncio.sleep(options.warmup)
    figures.counting, begin, cpu = True, time.perf_counter(), time.process_time()
    await asyncio.sleep(options.duration)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    acknowledged, sent = figures.acknowledged, figures.sent
    figures.sending = False
    if pacing is not None:
        await pacing
    left = await drained(trackers)
    for tracker in trackers:
        tracker.close()
    return {
        "protocol": options.protocol,
        "connections": len(trackers),
        "records": options.records,
        "rate": options.rate,
        "window": window,
        "seconds": round(seconds, 3),
        "sent": sent,
        "acknowledged": acknowledged,
        "acknowledged_per_s": round(acknowledged / seconds),
        "acknowledged_at_last": sum(tracker.acknowledged for tracker in trackers) * options.records,  # warm-up and drain as well
        "unacknowledged_at_last": left * options.records,
        "p50_ms": figures.latency_ms(0.5),
        "p99_ms": figures.latency_ms(0.99),
        "max_ms": figures.latency_ms(1.0),
        "errors": figures.errors,
        "withheld": figures.withheld,
        "connected_s": round(connected_s, 2),
        "cpu_s": round(cpu, 3),
        "next_start": (options.start + timedelta(seconds=max(t.sent for t in trackers) * options.records)).isoformat(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=tuple(WIRES), default="gt06")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--connections", type=int, default=2000)
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
    options.port = options.port or {"gt06": 5023, "teltonika": 5027}[options.protocol]
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
