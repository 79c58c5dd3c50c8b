"""A GT06 connection: bytes in; frames, logins and answers out.

A frame's kind is its number as the manual writes it ("0x22"), with " long" behind it when it came in a 7979 frame, or "wifi".
What can't be a frame is skipped to the next start marker. A frame whose checksum is wrong is skipped whole, so that no byte is
summed twice however the bytes were made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from fastcrc.crc16 import ibm_sdlc as crc_x25

from protocols.commands import Command
from protocols.errors import BadFrame
from protocols.frames import Frame
from protocols.gt06 import commands, packets
from protocols.session import Received
from protocols.streams import MOST_REJECTED, utc_now

LARGEST_FRAME_BYTES = 8192  # camera pieces are the largest seen, a little over 1 KB
MOST_STRAY_BYTES = LARGEST_FRAME_BYTES  # between two frames; whoever sends more does not speak GT06
START = re.compile(rb"xx|yy")
STOP = b"\r\n"

LOGIN, HEARTBEAT, STATUS, ADDRESS_REQUEST, TIME_REQUEST = 0x01, 0x23, 0x13, 0x2A, 0x8A
ANSWERS = {"0x15": 1, "0x21": 0, "0x21 long": 0}  # to our commands: where in the content our own four bytes come back
WIFI_KINDS = (0x17, 0x69)
MOST_WIFI = 16  # a smaller number in the place of the length is a count of access points; a real 0x17 frame is longer
ADDRESS_RESPONSE = 0x97
NO_ADDRESS = b"NA&&NA&&0##"

BARE_PLACE, BARE_PLACE_BYTES = 0x10, 18  # some 0x10 count their content alone, and have neither serial nor checksum

UNANSWERED = frozenset((0x34, 0x35, 0x80, 0x81, 0x82, 0x94))  # short frames that the manuals give no reply to
ANSWERED_LONG = frozenset((0x32, 0x33))  # long frames whose reply is long, too (AZ735)
ANSWERED_SHORT = frozenset(
    (0x13, 0x16, 0x21, 0x26, 0x27, 0x36, 0x39, 0x70, 0xA0, 0xA4, 0xF1, 0xF2)
)  # long frames with a short reply


class Kind(NamedTuple):
    """How frames of one number are called and answered."""

    name: str
    answer: Callable[[int, bytes], bytes] | None  # makes the acknowledgement from number and serial; None: it has none
    at_once: bool = False  # answered now: it asks whether the server lives, not whether it stored
    special: bool = False  # the session itself reads it
    own_at: int | None = None  # it answers a command: here our own four bytes come back


def reply(kind: int, serial: bytes, content: bytes = b"") -> bytes:
    """A short frame from the server."""
    body = bytes((5 + len(content), kind)) + content + serial
    return b"xx" + body + crc_x25(body).to_bytes(2, "big") + STOP


def long_reply(kind: int, serial: bytes, content: bytes = b"") -> bytes:
    body = (5 + len(content)).to_bytes(2, "big") + bytes((kind,)) + content + serial
    return b"yy" + body + crc_x25(body).to_bytes(2, "big") + STOP


def _short(number: int) -> Kind:
    return Kind(
        name=f"0x{number:02x}",
        answer=None if number in UNANSWERED else reply,
        at_once=number in (HEARTBEAT, STATUS),
        special=number in (LOGIN, ADDRESS_REQUEST, TIME_REQUEST),
        own_at=ANSWERS.get(f"0x{number:02x}"),
    )


def _long(number: int) -> Kind:
    answer = long_reply if number in ANSWERED_LONG else reply if number in ANSWERED_SHORT else None
    name = f"0x{number:02x} long"
    return Kind(name, answer, special=number == LOGIN, own_at=ANSWERS.get(name))


SHORT_KINDS: tuple[Kind, ...] = tuple(_short(number) for number in range(256))
LONG_KINDS: tuple[Kind, ...] = tuple(_long(number) for number in range(256))


class Cut(NamedTuple):
    """Where a frame lies in the bytes, as offsets."""

    kinds: tuple[Kind, ...] | None  # None: a frame that has neither serial nor checksum
    body: int  # its number
    stop: int  # its 0D0A


class Stream:
    """One tracker's connection. `now` answers its question for the time; tests hand in their own."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._rest = bytearray()  # less than one frame, except while a login waits
        self._need = 0  # so many bytes make it worth looking at the rest again
        self._zone_s = 0  # east of Greenwich
        self._login_reply = b""  # set while a login waits for admit
        self._admitted = False
        self._stray = 0  # bytes since the last frame that belong to none
        self._damaged = 0  # frames with a wrong checksum
        self._closed = False

    def receive(self, data: bytes) -> Received:
        if self._closed:
            return Received(close=True)
        if self._rest or self._login_reply:
            self._rest += data
            if self._login_reply or len(self._rest) < self._need:
                return self._close() if len(self._rest) > 64 * LARGEST_FRAME_BYTES else Received()
            data = bytes(self._rest)
            self._rest.clear()
        return self._read(data)

    def admit(self, known: bool) -> Received:
        if not self._login_reply or self._closed:
            return Received(close=self._closed)
        if not known:
            return self._close()
        answer, self._login_reply, self._admitted = self._login_reply, b"", True
        behind = bytes(self._rest)
        self._rest.clear()
        received = self._read(behind)
        received.reply = answer + received.reply
        return received

    def _read(self, data: bytes) -> Received:
        """Everything whole in data; what is left is kept."""
        received = Received()
        at, end = 0, len(data)
        while end - at >= 4:
            cut = self._cut(data, at, end)
            if cut is None:
                break
            kinds, body, stop = cut
            if stop < 0:
                at = self._skip(data, at, received)
                if self._closed:
                    return received
                continue
            self._stray = 0
            if kinds is None:
                received.frames.append(self._bare(data, at, stop))
            elif crc_x25(data[at + 2 : stop - 2]) != int.from_bytes(data[stop - 2 : stop], "big"):
                kind = kinds[data[body]]
                unchecked = None if kind.special else Frame(kind.name, data[body + 1 : stop - 4], b"", self._zone_s)
                received.rejects.append(BadFrame("the checksum is wrong", data[at : stop + 2], unchecked))
                self._damaged += 1
                if self._damaged >= MOST_REJECTED:
                    self._closed = received.close = True
                    return received
            else:
                number, serial = data[body], data[stop - 4 : stop - 2]
                kind = kinds[number]
                if kind.special or kind.at_once:
                    self._answer_now(kind, number, data[body + 1 : stop - 4], serial, received)
                    if received.login is not None:
                        self._rest += data[stop + 2 :]
                        return received
                else:
                    answer = kind.answer(number, serial) if kind.answer else b""
                    received.frames.append(Frame(kind.name, data[body + 1 : stop - 4], answer, self._zone_s))
                    if kind.own_at is not None:
                        self._hear_answer(received, kind.own_at)
            at = stop + 2
        if at < end:
            self._rest += data[at:]
            if end - at < 4:
                self._need = 4
        return received

    def _cut(self, data: bytes, at: int, end: int) -> Cut | None:
        """Where the frame at `at` lies; its `stop` is -1 when there can't be one; None when more bytes are needed."""
        marker = data[at : at + 2]
        if marker == b"xx":
            length, body = data[at + 2], at + 3
            if length <= MOST_WIFI and data[body] in WIFI_KINDS:
                return self._cut_wifi(data, at, end)
            if length == BARE_PLACE_BYTES and data[body] == BARE_PLACE:
                return self._whole(None, data, at, body, body + 1 + length, end)
            kinds = SHORT_KINDS
        elif marker == b"yy":
            length, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            kinds = LONG_KINDS
        else:
            return Cut(None, at, -1)
        stop = body + length
        if length < 5 or stop + 2 - at > LARGEST_FRAME_BYTES:
            return Cut(None, at, -1)  # the bytes of a frame that is too long count as stray, and soon close the connection
        return self._whole(kinds, data, at, body, stop, end)

    def _whole(self, kinds: tuple[Kind, ...] | None, data: bytes, at: int, body: int, stop: int, end: int) -> Cut | None:
        if stop + 2 > end:
            self._need = stop + 2 - at
            return None
        return Cut(kinds, body, stop if data[stop : stop + 2] == STOP else -1)

    def _cut_wifi(self, data: bytes, at: int, end: int) -> Cut | None:
        cells_at = at + 10 + 7 * data[at + 2]
        if cells_at >= end:
            self._need = cells_at + 1 - at
            return None
        return self._whole(None, data, at, at + 3, cells_at + 4 + 5 * data[cells_at], end)

    def _skip(self, data: bytes, at: int, received: Received) -> int:
        """The next place where a frame may start. One reject tells of all stray bytes up to the next whole frame."""
        found = START.search(data, at + 1)
        # half a marker at the very end may become a whole one
        following = found.start() if found else len(data) - (data[-1:] in (b"x", b"y") and len(data) > at + 1)
        if not self._stray:
            received.rejects.append(BadFrame("out of step: no frame starts and ends here", data[at:following]))
        self._stray += following - at
        if self._stray > MOST_STRAY_BYTES:
            self._closed = received.close = True
        return following

    def _answer_now(self, kind: Kind, number: int, content: bytes, serial: bytes, received: Received) -> None:
        if number == LOGIN:
            self._log_in(content, serial, received)
        elif number == TIME_REQUEST:
            now = self._now().astimezone(UTC)
            received.reply += reply(number, serial, bytes((now.year % 100, now.month, now.day, now.hour, now.minute, now.second)))
        elif number == ADDRESS_REQUEST:
            received.reply += long_reply(ADDRESS_RESPONSE, serial, bytes((len(NO_ADDRESS), 0, 0, 0, 0)) + NO_ADDRESS)
        else:
            # a tracker that never logged in must not believe that all is well
            if self._admitted:
                received.reply += reply(number, serial)
            received.frames.append(Frame(kind.name, content, b"", self._zone_s))

    def _log_in(self, content: bytes, serial: bytes, received: Received) -> None:
        imei = content[:8].hex()[1:]
        if len(content) < 8 or not imei.isdecimal():
            received.rejects.append(BadFrame("a login without an IMEI", content))
            return
        self._zone_s = zone_of(int.from_bytes(content[10:12], "big")) if len(content) >= 12 else 0
        self._login_reply = reply(LOGIN, serial)
        received.login = imei

    def _hear_answer(self, received: Received, own_at: int) -> None:
        """What the frame that was just cut says to a command of ours."""
        frame = received.frames[-1]
        read = packets.read(frame.kind, frame.payload, frame.context)
        if not isinstance(read, str):
            text = str(read.more.get("result") or read.more.get("iccid") or "")
            received.answers.append(commands.answer(frame.payload[own_at : own_at + 4], text))

    def command(self, command: Command, serial: int, password: str) -> bytes:
        return reply(commands.COMMAND, serial.to_bytes(2, "big"), commands.content(command, serial, password))

    def _bare(self, data: bytes, at: int, stop: int) -> Frame:
        """A frame of an old clone. Wi-Fi has its number of access points in front, where others have their length."""
        if data[at + 3] == BARE_PLACE:
            return Frame(SHORT_KINDS[BARE_PLACE].name, data[at + 4 : stop], b"", self._zone_s)
        answer = b"xx\x00" + data[at + 3 : at + 10] + STOP
        return Frame("wifi", data[at + 2 : at + 3] + data[at + 4 : stop], answer, self._zone_s)

    def _close(self) -> Received:
        self._closed = True
        self._rest.clear()
        return Received(close=True)


def zone_of(word: int) -> int:
    """Seconds east of Greenwich from the login's zone word; 0 when no place on Earth has such a zone."""
    hours, minutes = divmod(word >> 4, 100)
    offset_s = (hours * 60 + minutes) * 60
    if minutes > 59 or offset_s > 14 * 3600:
        return 0
    return -offset_s if word & 0x8 else offset_s
