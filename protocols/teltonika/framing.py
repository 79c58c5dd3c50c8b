"""Sessions: where one frame ends and the next begins, who is talking, and what is answered. The layout stands in `__init__`.

A frame's payload is the body, from the codec to the second count. Its kind is "records" or "messages"; only records have an
answer, the count, which follows the commit. A body with a wrong checksum is rejected and answered with a count of 0 ("we keep
none of them"), on which the tracker sends it again. That answer is a frame of its own, because it must not overtake the answers
of earlier frames: the tracker would take it for one of those.
"""

from __future__ import annotations

from fastcrc.crc16 import arc

from protocols.commands import Command
from protocols.errors import BadFrame
from protocols.frames import ANSWER, Frame
from protocols.session import Received
from protocols.teltonika.commands import answers_in, packet

RECORDS, MESSAGES = "records", "messages"
MESSAGE_CODECS = frozenset((0x0C, 0x0D, 0x0E, 0x0F))
SMALLEST_BODY_BYTES = 3  # codec and two counts
# The count is one byte, so a body has 255 records at most; trackers fill packets of 0.5 to 1.3 kB, with beacons or from memory
# some more. 4 kB for each of 255 records is beyond all of them, and little enough to hold for every one of some thousand
# connections that would lie about their length. Several thousand records come as several frames.
LARGEST_BODY_BYTES = 1 << 20
LONGEST_NAME_BYTES = 64  # an IMEI has 15
KEPT_OF_REJECTED_BYTES = 1024
PREAMBLE = bytes(4)
NONE_KEPT = bytes(4)
KEEP_ALIVE = 0xFF
UDP_HEAD_BYTES = 8
TOO_EAGER = "more than a frame behind a login that has no answer yet"


def _frame(body: bytes, ack: bytes) -> Frame:
    return Frame(MESSAGES, body) if body[0] in MESSAGE_CODECS else Frame(RECORDS, body, ack)


def _heard(received: Received, body: bytes) -> Received:
    if body[0] in MESSAGE_CODECS:
        received.answers += answers_in(body)
    received.frames.append(_frame(body, b"\0\0\0" + body[1:2]))
    return received


def _name(raw: bytes) -> str | None:
    """The tracker's name, None when it is none: printable ASCII without blanks."""
    return raw.decode("ascii") if raw and all(0x21 <= byte <= 0x7E for byte in raw) else None


class Stream:
    """One TCP connection. It holds at most one frame that is not whole, or what follows a login, and one read more."""

    __slots__ = ("_buffer", "_closed", "_need", "_waiting")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = 1  # how many bytes the buffer must hold before looking at it is worth it
        self._waiting = False  # for admit
        self._closed = False

    def receive(self, data: bytes) -> Received:
        if not self._buffer and data[:4] == PREAMBLE and not (self._waiting or self._closed):  # one whole frame: the usual read
            length = int.from_bytes(data[4:8], "big")
            if len(data) == length + 12 and SMALLEST_BODY_BYTES <= length <= LARGEST_BODY_BYTES:
                body = data[8:-4]
                if arc(body) == int.from_bytes(data[-4:], "big"):
                    return _heard(Received(), body)
        if self._closed:
            return Received(close=True)
        self._buffer += data
        if self._waiting:  # nobody should read on before `admit`; if somebody does, the buffer is bounded all the same
            return self._close(Received(), TOO_EAGER) if len(self._buffer) > LARGEST_BODY_BYTES else Received()
        if len(self._buffer) < self._need:
            return Received()
        return self._cut(Received())

    def admit(self, known: bool) -> Received:
        self._waiting = False
        if not known:
            return self._close(Received(reply=b"\x00"))
        return self._cut(Received(reply=b"\x01"))

    def _cut(self, received: Received) -> Received:
        """Take all that is whole off the buffer, up to a login or something that can't be read."""
        buffer, at = self._buffer, 0
        while True:
            have = len(buffer) - at
            self._need = 1
            if not have:
                break
            if buffer[at] == KEEP_ALIVE:
                at += 1
                continue
            self._need = 2
            if have < self._need:
                break
            length = int.from_bytes(buffer[at : at + 2], "big")
            if length:  # a login: a frame starts with zeros
                if length > LONGEST_NAME_BYTES:
                    return self._close(received, "neither a login nor a frame", at)
                self._need = 2 + length
                if have < self._need:
                    break
                received.login = _name(bytes(buffer[at + 2 : at + 2 + length]))
                if received.login is None:
                    return self._close(received, "a login without a name", at)
                at += 2 + length
                self._waiting = True
                break
            self._need = 8
            if have < self._need:
                break
            if any(buffer[at : at + 4]):
                return self._close(received, "neither a login nor a frame", at)
            length = int.from_bytes(buffer[at + 4 : at + 8], "big")
            if not SMALLEST_BODY_BYTES <= length <= LARGEST_BODY_BYTES:
                return self._close(received, f"a frame can't be {length} bytes long", at)
            self._need = length + 12
            if have < self._need:
                break
            whole = bytes(buffer[at : at + length + 12])
            at += length + 12
            body = whole[8:-4]
            if arc(body) == int.from_bytes(whole[-4:], "big"):
                _heard(received, body)
            else:
                received.rejects.append(BadFrame(f"the checksum should be {arc(body):04x}", whole))
                received.frames.append(Frame(ANSWER, b"", NONE_KEPT))
        del buffer[:at]
        return received

    def command(self, command: Command, serial: int, password: str) -> bytes:
        return packet(command)

    def _close(self, received: Received, reason: str = "", at: int = 0) -> Received:
        if reason:
            received.rejects.append(BadFrame(reason, bytes(self._buffer[at : at + KEPT_OF_REJECTED_BYTES])))
        self._buffer.clear()
        self._closed = received.close = True
        return received


class Datagram:
    """One UDP packet. Its body has no checksum: UDP has its own."""

    __slots__ = ("_frame",)

    def __init__(self) -> None:
        self._frame: Frame | None = None

    def receive(self, data: bytes) -> Received:
        if data[:4] == PREAMBLE:
            return self._unnamed(data)
        if len(data) < UDP_HEAD_BYTES or int.from_bytes(data[:2], "big") != len(data) - 2:
            return _rejected("the packet's length is not what it says", data)
        end = UDP_HEAD_BYTES + int.from_bytes(data[6:8], "big")
        name, body = _name(data[UDP_HEAD_BYTES:end][: LONGEST_NAME_BYTES + 1]), data[end:]
        if name is None or len(name) > LONGEST_NAME_BYTES:
            return _rejected("a packet without a tracker's name", data)
        if not SMALLEST_BODY_BYTES <= len(body) <= LARGEST_BODY_BYTES:
            return _rejected("a packet without records", data)
        self._frame = _frame(body, b"\x00\x05" + data[2:6] + body[1:2])
        return Received(login=name)

    def admit(self, known: bool) -> Received:
        frame, self._frame = self._frame, None
        return Received(frames=[frame] if known and frame else [])  # an unknown tracker gets no answer and keeps its records

    def _unnamed(self, data: bytes) -> Received:
        """A frame of the TCP form, which names no tracker: nobody can store it, but it can be explained, and what is wrong with
        it. The manuals of the FM4 print such, and people paste them: cut, changed, length and checksum not filled in."""
        length = int.from_bytes(data[4:8], "big")
        if len(data) < 8 + SMALLEST_BODY_BYTES or len(data) > LARGEST_BODY_BYTES:
            return _rejected("a packet without a tracker's name", data)
        fits = SMALLEST_BODY_BYTES <= length <= len(data) - 8
        bodies = [data[8 : 8 + length]] * fits + [data[8:-4], data[8:]]  # by its length, all but the checksum, all
        body = next((one for one in bodies if len(one) >= SMALLEST_BODY_BYTES and one[1] == one[-1]), bodies[0])
        told = [] if body is bodies[0] and fits else [f"length is {length}"]
        told += [] if arc(body) == int.from_bytes(data[8 + len(body) :], "big") else [f"the checksum should be {arc(body):04x}"]
        received = _rejected("; ".join(["a packet without a tracker's name", *told]), data)
        if len(body) >= SMALLEST_BODY_BYTES:
            received.frames.append(_frame(body, b""))
        return received


def _rejected(reason: str, data: bytes) -> Received:
    return Received(rejects=[BadFrame(reason, data[:KEPT_OF_REJECTED_BYTES])])
