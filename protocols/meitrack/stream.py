"""The session: lines of text up to their end, lists and parts of photos by their length."""

from __future__ import annotations

from protocols.commands import Answer, Command
from protocols.errors import BadFrame
from protocols.frames import Frame
from protocols.meitrack.commands import PHOTO, words
from protocols.meitrack.records import count_of_fixed
from protocols.meitrack.text import has_place
from protocols.session import Received
from protocols.streams import MORE, Buffer, Stream

# Lists of records come in up to 1,400 bytes by the manuals, parts of photos in as many; lengths have four digits.
LARGEST_FRAME_BYTES = 10240
LONGEST_HEAD_BYTES = 48  # up to the comma behind the IMEI
BINARY = (b"CCC", b"CCE", b"D00")
PARTS_AT_ONCE = 8
FLAGS = range(0x41, 0x7B)  # "A" to "z"


class Link(Stream):
    """One connection or one datagram."""

    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(whole=whole)
        self._sent: dict[int, int] = {}  # flag of a command: its serial; as many as there are flags
        self._photo_bytes = 0

    def cut(self, data: Buffer, at: int) -> int:
        if data[at] in b"\r\n\0 ":
            return at + 1
        if data[at] != 0x24 or (len(data) > at + 1 and data[at + 1] != 0x24):
            start = data.find(b"$$", at + 1)
            return at - (start if start >= 0 else len(data))
        head = bytes(data[at : at + LONGEST_HEAD_BYTES])
        comma = head.find(b",", 3)
        second = head.find(b",", comma + 1) if comma >= 0 else -1
        if second < 0 or len(head) < second + 4:
            return -2 if len(head) == LONGEST_HEAD_BYTES else len(data) if self.whole else MORE
        if head[second + 1 : second + 4] not in BINARY:
            end = self.find(data, b"\r\n", at)
            return end + 2 if end >= 0 else len(data) if self.whole else MORE
        length = head[3:comma]
        if not (length.isdigit() and len(length) <= 4):
            return -2
        end = at + comma + int(length)
        if end < at + second + 9:
            return -2
        return end if end <= len(data) else MORE

    def hear(self, message: bytes, received: Received) -> None:
        if message[:2] != b"$$":
            if message.strip(b"\r\n\0 "):
                self.reject("not a message of Meitrack's", message, received)
            return
        head = message.split(b",", 3)
        if len(head) < 3:
            self.reject("a message without a type", message, received)
            return
        if not self.speaks(head[1].decode("ascii", "replace"), message, received):
            return
        star = message.rfind(b"*")
        kind = head[2][:3].decode("ascii", "replace")
        frame = Frame("report", message[:star] if star > 0 else message)
        if star < 0 or message[star + 1 : star + 3].upper() != b"%02X" % (sum(message[: star + 1]) & 0xFF):
            received.rejects.append(BadFrame("the checksum is wrong", message[:1024], frame))
            return
        self._take(kind, message[2], frame, received)

    def _take(self, kind: str, flag: int, frame: Frame, received: Received) -> None:
        content = frame.payload
        if kind == "AAA" or has_place(content):
            received.frames.append(frame)
            if flag in self._sent and content.split(b",", 4)[3:4] == [b"34"]:  # what a command asked for
                received.answers.append(Answer("position", serial=self._sent.pop(flag), ok=True))
        elif kind == "CCC":
            ack = self._packet(f"CCC,{count_of_fixed(content)}", flag)
            received.frames.append(Frame("report", content, ack))
        elif kind == "CCE":
            received.frames.append(frame)
        elif kind == "AAC":
            received.reply += self._packet("AAC,1", flag)
        elif kind == "D00":
            self._part(content, received)
        else:
            if kind == "D03":
                self._photo_bytes = 0
                received.reply += self._packet(f"D00,{PHOTO},0", ord("O"))
            words = content.split(b",", 2)[2].decode("utf-8", "replace")
            received.answers.append(Answer(words, serial=self._sent.pop(flag, None), ok=_did(words)))
            received.frames.append(Frame("words", words.encode()))

    def _part(self, content: bytes, received: Received) -> None:
        """A part of a photo. They are asked for eight at a time, and told of when the last one has come; files are not kept."""
        fields = content.split(b",", 6)
        if len(fields) < 7 or not (fields[4].isdigit() and fields[5].isdigit() and len(fields[4] + fields[5]) < 10):
            self.reject("no part of a photo", content, received)
            return
        name, parts, part = fields[3].decode("ascii", "replace")[:64], int(fields[4]), int(fields[5])
        self._photo_bytes += len(fields[6])
        if part + 1 >= parts:
            received.frames.append(Frame("photo", f"{self._photo_bytes},{name}".encode()))
            self._photo_bytes = 0
        elif (part + 1) % PARTS_AT_ONCE == 0:
            received.reply += self._packet(f"D00,{name},{part + 1}", ord("O"))

    def _packet(self, content: str, flag: int) -> bytes:
        return packet(self.tracker, content, flag)

    def command(self, command: Command, serial: int, password: str) -> bytes:
        """The flag stands for the serial: it comes back with the answer."""
        flag = FLAGS[serial % len(FLAGS)]
        self._sent[flag] = serial
        return self._packet(words(command), flag)


def packet(imei: str, content: str, flag: int) -> bytes:
    """What the server sends: the length counts from its comma to the end."""
    body = f",{imei},{content}*".encode()
    message = b"@@%c%02d%s" % (flag, len(body) + 4, body)
    return message + b"%02X\r\n" % (sum(message) & 0xFF)


def _did(text: str) -> bool | None:
    last = text.rpartition(",")[2].strip().upper()
    return True if last == "OK" else False if last.startswith(("ERR", "NO", "FAIL")) else None
