"""A JT/T 808 tracker's connection: who speaks, what is answered at once, what is stored first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from protocols.commands import Answer, Command
from protocols.errors import BadFrame
from protocols.frames import Frame
from protocols.jt808.orders import order
from protocols.jt808.wire import (
    ENCRYPTED,
    LENGTH,
    LONGEST_HEAD_BYTES,
    MARK,
    OTHER_MARK,
    SHORT_SERIAL,
    SHORTEST_BYTES,
    Head,
    built,
    escaped,
    head_of,
    unescaped,
    unique_id,
    xor,
)
from protocols.session import Received
from protocols.streams import MORE, Buffer, Stream, utc_now

# A body has at most 1,023 bytes by the standard, and 8,191 where a batch uses the bits of encryption for its length as well; the
# longest header has 21, and each byte may be escaped.
LARGEST_FRAME_BYTES = 16_384 + 64
MOST_PARTS = 64  # of one message: a batch of positions that is longer is not sent by any tracker we know
MARKS = {MARK: b"\x7e", OTHER_MARK: b"\xe7"}

DONE, FAILED = 0, 1  # results in a general answer
NO_SUCH_TERMINAL = 4  # result of a registration

LOCATION = 0x0200
REGISTER, AUTHENTICATE = 0x0100, 0x0102
HEARTBEAT = 0x0002
TIME, TIME_2019 = 0x0109, 0x0004
MEDIA = 0x0801
AT_ONCE = frozenset((HEARTBEAT, AUTHENTICATE, 0x0003, 0x0506, 0x1007, 0x8888))  # answered now: there is nothing to store in them
KINDS = {  # what is stored, and whether the tracker waits for an acknowledgement
    0x0001: ("answer to a command", False),
    0x0104: ("parameters", False),
    0x0107: ("attributes", True),
    0x0108: ("upgrade", True),
    LOCATION: ("location", True),
    0x0201: ("location asked for", False),
    0x0210: ("short batch", True),
    0x0500: ("location after control", False),
    0x0701: ("words", True),
    0x0702: ("driver", True),
    0x0704: ("batch", True),
    0x0705: ("can", True),
    0x0800: ("media", True),
    0x0805: ("photo taken", False),
    0x0900: ("transparent", True),
    0x1300: ("text answer", False),
    0x2070: ("acceleration", True),
    0x5501: ("lock", False),  # these ask for it in their properties
    0x5502: ("lock blind", False),
    0x6006: ("text", True),
}
FRONT = b"\x80\x01\x00\x05"


class Link(Stream):
    """`now` answers the tracker's question for the time; tests hand in their own."""

    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__()
        self._now = now
        self._mark = MARK
        self._head: Head | None = None  # of the last message of a tracker that is ours
        self._phone = b""
        self._other_id = ""  # how else the tracker that is asked for may be registered: with the zeros in front
        self._answer_front = b""  # of a general answer, as far as it is the same for all of one tracker
        self._answer_xor = 0
        self._parts: dict[int, bytes] = {}
        self._parting: tuple[bytes, int] | None = None  # the kind and the number of fragments that are being gathered
        self._photo = b""

    def cut(self, data: Buffer, at: int) -> int:
        first = data[at]
        if first in MARKS:
            end = self.find(data, MARKS[first], at + 1)
            if end == at + 1:  # the end of a message whose beginning was lost
                return end
            if end < 0:
                return MORE
            if end - at < SHORTEST_BYTES + ((data[at + 3] << 8 | data[at + 4]) & LENGTH if end - at > 4 else 0):
                return self._cut_unescaped(data, at, end)
            return end + 1
        if first == 0x28:  # "("
            end = self.find(data, b")", at + 1)
            return end + 1 if end > 0 else MORE
        if first in b"\r\n\0":
            return at + 1
        end = self.find(data, MARKS[self._mark], at + 1)
        return at - end if end > 0 else MORE

    def _cut_unescaped(self, data: Buffer, at: int, end: int) -> int:
        """The message that ends at that mark is shorter than it says. If its checksum is wrong as well, the mark may be one of
        its own bytes: there are trackers that escape nothing. Then its length tells where it ends, and the checksum whether it
        does. It isn't waited for: to a tracker that only said a wrong length, the next answer would come late."""
        mark = data[at]
        head = head_of(bytes(data[at + 1 : at + 1 + LONGEST_HEAD_BYTES]), mark)
        if head is None or not xor(unescaped(bytes(data[at : end + 1]))):
            return end + 1
        last = at + 1 + head.size + (head.properties & LENGTH) + 1
        fits = last < len(data) and data[last] == mark and not xor(bytes(data[at + 1 : last]))
        return (last if fits else end) + 1

    def hear(self, message: bytes, received: Received) -> None:
        if len(message) < 2:
            return
        if message[0] == 0x28:
            self._hear_text(message, received)
            return
        mark = message[0]
        content = unescaped(message)
        wrong = xor(content)
        if wrong and not xor(message[1:-1]):  # of a tracker that escapes nothing
            content, wrong = message[1:-1], 0
        head = head_of(content, mark)
        if head is None:
            self.reject("a message shorter than its header", message, received)
            return
        number = head.kind[0] << 8 | head.kind[1]
        if wrong:
            name = KINDS.get(number, ("", False))[0]
            unchecked = Frame(name, content[head.size : -1], context=len(head.version)) if name else None
            received.rejects.append(BadFrame("the checksum is wrong", message, unchecked))
            return
        self._mark = mark
        if not (self.known and head.phone == self._phone) and not self._is_ours(head, message, received):
            return
        self._head = head
        body = content[head.size : -1]
        if head.properties & ENCRYPTED and len(body) == head.properties & LENGTH and number not in SHORT_SERIAL:
            self.reject("the body is encrypted", message, received)
        elif head.total and number != MEDIA:
            self._gather(head, number, body, received)
        else:
            self._take(head, number, body, received)

    def stranger(self, message: bytes, received: Received) -> None:
        if self._other_id:
            other, self._other_id = self._other_id, ""
            self.speaks(other, message, received)
            return
        head = None if message[0] == 0x28 else head_of(unescaped(message), message[0])
        if head is None:
            return
        number = head.kind[0] << 8 | head.kind[1]
        if number == REGISTER:
            received.reply += built(0x8100, head, 0, head.serial + bytes((NO_SUCH_TERMINAL,)), message[0])
        elif number == AUTHENTICATE:
            received.reply += built(0x8001, head, 0, head.serial + head.kind + bytes((FAILED,)), message[0])

    def command(self, command: Command, serial: int, password: str) -> bytes:
        return order(command, serial, self._head, self._mark)

    def _is_ours(self, head: Head, message: bytes, received: Received) -> bool:
        """Trackers are registered by their number, with its zeros in front or without."""
        whole = unique_id(head.phone)
        bare = whole.lstrip("0") or "0"
        if not (self.known and self.tracker in (bare, whole)):
            self._other_id = whole if whole != bare else ""
            self.speaks(bare, message, received)
            return False
        self._phone = head.phone
        self._answer_front = FRONT + head.phone + b"\0\0"
        if head.version:
            self._answer_front = b"\x80\x01\x40\x05" + head.version + head.phone + b"\0\0"
        self._answer_xor = xor(self._answer_front)
        self._parting, self._parts = None, {}
        return True

    def _done(self, head: Head) -> bytes:
        """The general answer: it is done."""
        kind, serial = head.kind, head.serial
        check = self._answer_xor ^ serial[0] ^ serial[1] ^ kind[0] ^ kind[1]
        content = self._answer_front + serial + kind + b"\0"
        if self._mark == MARK and check != 0x7E and check != 0x7D and b"\x7e" not in content and b"\x7d" not in content:
            return b"\x7e%b%c\x7e" % (content, check)
        return escaped(content, self._mark)

    def _say(self, kind: int, head: Head, body: bytes) -> bytes:
        return built(kind, head, 0, body, self._mark)

    def _gather(self, head: Head, number: int, body: bytes, received: Received) -> None:
        """Fragments are answered as they come, but the last: it acknowledges the whole message, once that is stored."""
        if not (1 <= head.part <= head.total <= MOST_PARTS) or number not in KINDS or len(body) > LENGTH:
            received.reply += self._done(head)
            self.reject(f"part {head.part} of {head.total} of a message {number:04x} that can't be read", body, received)
            return
        if self._parting != (head.kind, head.total):
            self._parting, self._parts = (head.kind, head.total), {}
        self._parts[head.part] = body
        if len(self._parts) < head.total:
            received.reply += self._done(head)
            return
        whole = b"".join(self._parts[part] for part in range(1, head.total + 1))
        self._parting, self._parts = None, {}
        self._take(head, number, whole, received)

    def _take(self, head: Head, number: int, body: bytes, received: Received) -> None:
        """One whole message of a tracker that is ours."""
        if number == LOCATION:
            received.frames.append(Frame("location", body, self._done(head)))
        elif number in AT_ONCE:
            received.reply += self._done(head)
            if number == HEARTBEAT and len(body) >= 3:
                received.frames.append(Frame("heartbeat", body))
        elif number in SHORT_SERIAL:
            ack = b""
            if head.properties & 0x8000:
                front = b"\x44\x01\x00\x03" + head.phone + b"\x01"
                ack = escaped(front + head.kind + b"\0", self._mark)
            received.frames.append(Frame(KINDS[number][0], body, ack))
        elif number in KINDS:
            name, waits = KINDS[number]
            if (answer := answer_in(number, body)) is not None:
                received.answers.append(answer)
            received.frames.append(Frame(name, body, self._done(head) if waits else b"", context=len(head.version)))
        else:
            self._other(head, number, body, received)

    def _other(self, head: Head, number: int, body: bytes, received: Received) -> None:
        if number == REGISTER:
            code = unique_id(head.phone).encode()
            received.reply += self._say(0x8100, head, head.serial + bytes((DONE,)) + code)
        elif number == TIME:
            now = self._now().astimezone(UTC)
            clock = bytes((now.month, now.day, now.hour, now.minute, now.second, DONE))
            received.reply += self._say(0x8109, head, now.year.to_bytes(2, "big") + clock)
        elif number == TIME_2019:
            received.reply += self._say(0x8004, head, bytes.fromhex(f"{self._now().astimezone(UTC):%y%m%d%H%M%S}"))
        elif number == MEDIA:
            received.reply += self._done(head)
            if head.part <= 1:
                self._photo = body[:4]
            if head.part == head.total:
                received.reply += self._say(0x8800, head, self._photo.ljust(4, b"\0"))
                self.reject("photos and sounds are not kept", body, received)
        else:
            received.reply += self._done(head)
            self.reject(f"no message {number:04x} is read", head.kind + body, received)

    def _hear_text(self, message: bytes, received: Received) -> None:
        """Jointech's sentences: (id,…)."""
        if not self.known:
            name = message[1:-1].partition(b",")[0].decode("ascii", "replace")
            if not name.isdecimal():
                self.reject("the tracker has not said who it is", message, received)
                return
            if not self.speaks(name, message, received):
                return
        if b"BASE,2" in message:
            clock = f"{self._now().astimezone(UTC):%Y%m%d%H%M%S}".encode()
            received.reply += message.replace(b"TIME", clock)
            return
        received.answers.append(Answer(message.decode("ascii", "replace")))
        received.frames.append(Frame("sentence", message))


def answer_in(number: int, body: bytes) -> Answer | None:
    """What the tracker says to a command; None: nothing."""
    if number == 0x0001 and len(body) >= 5:
        return Answer(general_answer(body), serial=_serial(body), ok=body[4] == DONE)
    if number in (0x0201, 0x0500) and len(body) >= 30:
        return Answer("the position", serial=_serial(body), ok=True)
    if number == 0x0104 and len(body) >= 3:
        return Answer(f"{body[2]} parameters", serial=_serial(body), ok=True)
    if number == 0x0805 and len(body) >= 3:
        return Answer(photo_answer(body), serial=_serial(body), ok=body[2] == DONE)
    if number == 0x0107:
        return Answer("its attributes", ok=True)
    if number == 0x1300 and len(body) > 2:
        return Answer(body[2:].decode("utf-16-be", "replace").strip(" \0"), serial=_serial(body))
    if number == 0x6006 and len(body) > 1:
        return Answer(body[1:].decode("gbk", "replace").strip("\0"))
    if number == 0x0701 and len(body) > 4:
        return Answer(body[4:].decode("ascii", "replace"))
    return None


RESULTS = ("done", "failed", "the message is wrong", "not supported", "alarm confirmed")


def general_answer(body: bytes) -> str:
    """The words for serial u16 | kind u16 | result u8."""
    result = RESULTS[body[4]] if body[4] < len(RESULTS) else f"result {body[4]}"
    return f"{body[2:4].hex()}: {result}"


def photo_answer(body: bytes) -> str:
    return ("photo taken", "failed", "this channel is not supported")[body[2]] if body[2] < 3 else f"result {body[2]}"


def _serial(body: bytes) -> int | None:
    return int.from_bytes(body[:2], "big") or None
