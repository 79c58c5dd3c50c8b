"""The packets of `bench/load.py`: those of a group of connections at once, as numpy arrays in which only time, latitude, serial
and checksum change.

A GT06 checksum is put together from tables: CRCs are linear, so that of a packet is its template's, XORed with one table entry
per byte that differs. Templates of H02, Queclink and JT/T 808 are built by the simulator.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
from fastcrc.crc16 import arc, ibm_sdlc
from numpy.typing import NDArray

from telematics.simulator import gl200, h02, jt808
from telematics.simulator.fix import Fix

Bytes2D = NDArray[np.uint8]
Chunk = tuple[bytes, Sequence[int]]  # packets, and where each begins; behind the last where it ends

STEP_DEG = 9e-5  # ten metres north a second, 36 km/h
TURN = 512  # seconds until it comes back
PORTS = {"gt06": 5023, "teltonika": 5027, "h02": 5013, "gl200": 5004, "jt808": 5015}


class Wire(Protocol):
    """What the trackers of one protocol say."""

    chunk_packets: int  # of each connection in a chunk

    def hello(self, connection: int) -> bytes:
        """The login; nothing where there is none."""
        ...

    def accepted(self, data: bytes) -> int:
        """How many bytes of data are the answer to the login; 0: not yet whole."""
        ...

    def chunk(self, connections: range, number: int) -> Chunk:
        """`chunk_packets` packets of each connection, one connection behind the other."""
        ...

    def answers(self, data: bytes) -> tuple[int, int]:
        """How many whole acknowledgements there are, and how many bytes they have."""
        ...

    def wrong(self, answers: bytes, packets_before: int) -> bool:
        """Whether these whole answers, the first of them to packet number packets_before, are not what they should be."""
        ...


class Steady:
    """Answers that all have the same length, and packets as well."""

    answer_bytes: int

    def answers(self, data: bytes) -> tuple[int, int]:
        count = len(data) // self.answer_bytes
        return count, count * self.answer_bytes


class Gt06(Steady):
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
        return 10 if len(data) >= 10 else 0

    def _template(self, connection: int) -> bytes:
        place = struct.pack(">BIIBH", 0xCC, 0, round((71.0 + connection % 4000 / 1000) * 1_800_000), 36, 0xD400)
        body = bytes((0, 0x22)) + bytes(6) + place + b"\x01\x91\x02\x52\x49\x00\x27\xdb" + bytes(7) + bytes(2)
        body = bytes((len(body) + 1,)) + body[1:]
        return b"xx" + body + b"\x00\x00\r\n"

    def chunk(self, connections: range, number: int) -> Chunk:
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
        return _cut(packets)

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


class Teltonika(Steady):
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

    def chunk(self, connections: range, number: int) -> Chunk:
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
        plain = packets.tobytes()
        return plain, range(0, len(plain) + 1, size)

    def wrong(self, answers: bytes, packets_before: int) -> bool:
        return int.from_bytes(answers[:4], "big") != self._records


class Patched:
    """A packet of the simulator, in which the bytes that change are written over. Without a login."""

    chunk_packets = 32

    def __init__(self, first_id: int, start: datetime, records: int) -> None:
        if records != 1:
            raise SystemExit("such a packet holds one position")
        self._first_id, self._start = first_id, start.replace(microsecond=0)

    def _fix(self, connection: int) -> Fix:
        """The first one of that connection."""
        longitude = 71.0 + connection % 4000 / 1000
        return Fix(self._start, 46.0 + TURN * STEP_DEG, longitude, altitude_m=640.0, speed_kmh=36.0, odometer_m=12_345_678)

    def _steps(self, number: int) -> NDArray[np.int64]:
        return np.arange(number * self.chunk_packets, (number + 1) * self.chunk_packets)

    def _moments(self, step: NDArray[np.int64], hours: int = 0) -> dict[str, Bytes2D]:
        """Y, m, d, H, M and S in two decimal digits each."""
        texts = [f"{self._start + timedelta(hours=hours, seconds=int(n)):%y%m%d%H%M%S}" for n in step]
        digits = np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(step), 12)
        return {letter: digits[:, at * 2 : at * 2 + 2] for at, letter in enumerate("ymdHMS")}

    def _spread(self, templates: list[bytes]) -> Bytes2D:
        """A packet of each connection, as often as a chunk holds it."""
        size = len(templates[0])
        packets = np.empty((len(templates), self.chunk_packets, size), np.uint8)
        packets[:] = np.frombuffer(b"".join(templates), np.uint8).reshape(len(templates), 1, size)
        return packets

    def hello(self, connection: int) -> bytes:
        return b""

    def accepted(self, data: bytes) -> int:
        return 0


class H02(Patched, Steady):
    """V1, answered by V4, which repeats its time."""

    answer_bytes = len("*HQ,860000000000000,V4,V1,20260304050607#")

    def chunk(self, connections: range, number: int) -> Chunk:
        templates = [h02.Tracker(str(self._first_id + n)).report([self._fix(n)]) for n in connections]
        packets, step = self._spread(templates), self._steps(number)
        moment = self._moments(step)
        date, clock = templates[0].index(b",FFFFFFFF") - 6, 23
        packets[:, :, date : date + 6] = np.hstack([moment[letter] for letter in "dmy"])
        packets[:, :, clock : clock + 6] = np.hstack([moment[letter] for letter in "HMS"])
        whole = np.rint(_latitude(step) * 600_000).astype(np.int64)
        packets[:, :, 32:36] = _digits(whole // 600_000 * 100 + whole % 600_000 // 10_000, 4)
        packets[:, :, 37:41] = _digits(whole % 10_000, 4)
        return _cut(packets)

    def wrong(self, answers: bytes, packets_before: int) -> bool:
        last = self._start + timedelta(seconds=packets_before + len(answers) // self.answer_bytes - 1)
        return answers[-7:] != f"{last:%H%M%S}#".encode()


class Gl200(Patched, Steady):
    """GTFRI with one place, answered by +SACK and its count."""

    answer_bytes = len("+SACK:0001$")

    def chunk(self, connections: range, number: int) -> Chunk:
        templates = [gl200.Tracker(str(self._first_id + n)).report([self._fix(n)]) for n in connections]
        packets, step = self._spread(templates), self._steps(number)
        moment = self._moments(step)
        stamp = np.hstack([moment[letter] for letter in "ymdHMS"])
        first = f"{self._start:%Y%m%d%H%M%S}".encode()
        for at in (templates[0].index(first) + 2, templates[0].rindex(first) + 2):
            packets[:, :, at : at + 12] = stamp
        at = templates[0].index(f"{46.0 + TURN * STEP_DEG:.6f}".encode())
        decimals = np.rint(_latitude(step) * 1_000_000).astype(np.int64)
        packets[:, :, at : at + 2], packets[:, :, at + 3 : at + 9] = (
            _digits(decimals // 1_000_000, 2),
            _digits(decimals % 1_000_000, 6),
        )
        packets[:, :, -5:-1] = np.frombuffer("".join(f"{n + 1 & 0xFFFF:04X}" for n in step).encode(), np.uint8).reshape(-1, 4)
        return _cut(packets)

    def wrong(self, answers: bytes, packets_before: int) -> bool:
        return answers[-5:] != b"%04X$" % (packets_before + len(answers) // self.answer_bytes & 0xFFFF)


class Jt808(Patched):
    """Position 0200 in the form of 2013, answered by 8001, which repeats its serial. Escapes make lengths differ."""

    def __init__(self, first_id: int, start: datetime, records: int) -> None:
        super().__init__(first_id // 1000, start, records)  # phone numbers have twelve digits

    def hello(self, connection: int) -> bytes:
        return jt808.Tracker(str(self._first_id + connection)).hello()

    def accepted(self, data: bytes) -> int:
        return data.find(b"\x7e", 1) + 1

    def chunk(self, connections: range, number: int) -> Chunk:
        plain = [jt808.Tracker(str(self._first_id + n)).report([self._fix(n)])[1:-1] for n in connections]
        packets = self._spread([one.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d") for one in plain])
        step = self._steps(number)
        moment = self._moments(step, hours=8)
        packets[:, :, 10:12] = _big_endian((step + 1) & 0xFFFF, ">u2")
        packets[:, :, 20:24] = _big_endian(np.rint(_latitude(step) * 1e6), ">u4")
        for at, letter in enumerate("ymdHMS"):
            packets[:, :, 34 + at] = (moment[letter][:, 0] - 48) * 16 + moment[letter][:, 1] - 48
        packets[:, :, -1] = np.bitwise_xor.reduce(packets[:, :, :-1], axis=2)
        data, size, begins, sent = packets.tobytes(), packets.shape[2], [0], []
        for at in range(0, len(data), size):
            one = data[at : at + size]
            if b"\x7d" in one or b"\x7e" in one:
                one = one.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")
            sent.append(b"\x7e" + one + b"\x7e")
            begins.append(begins[-1] + len(one) + 2)
        return b"".join(sent), begins

    def answers(self, data: bytes) -> tuple[int, int]:
        marks = data.count(b"\x7e")
        return marks // 2, len(data) if marks % 2 == 0 else data.rindex(b"\x7e")

    def wrong(self, answers: bytes, packets_before: int) -> bool:
        last = answers[answers.rindex(b"\x7e", 0, -1) : -1].replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
        expected = packets_before + answers.count(b"\x7e") // 2 & 0xFFFF
        return last[1:3] != b"\x80\x01" or last[-6:-1] != expected.to_bytes(2, "big") + b"\x02\x00\x00"


WIRES: dict[str, type[Gt06] | type[Teltonika] | type[H02] | type[Gl200] | type[Jt808]] = {
    "gt06": Gt06,
    "teltonika": Teltonika,
    "h02": H02,
    "gl200": Gl200,
    "jt808": Jt808,
}


def _cut(packets: Bytes2D) -> Chunk:
    """Packets of one size."""
    data = packets.tobytes()
    return data, range(0, len(data) + 1, packets.shape[-1])


def _digits(values: NDArray[np.int64], width: int) -> Bytes2D:
    """Each in so many decimal digits."""
    places = 10 ** np.arange(width - 1, -1, -1)
    return (values[:, None] // places % 10 + 48).astype(np.uint8)


def _latitude(step: NDArray[np.int64]) -> NDArray[np.float64]:
    """There and back, so that nobody leaves the country."""
    return 46.0 + np.abs(step % (2 * TURN) - TURN) * STEP_DEG


def _big_endian(values: NDArray[Any], kind: str) -> Bytes2D:
    wide = values.astype(kind)
    return wide[..., None].view(np.uint8)
