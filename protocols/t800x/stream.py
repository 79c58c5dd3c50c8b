"""A TopFlyTech tracker's connection."""

from __future__ import annotations

from protocols.commands import Answer, CannotSend, Command
from protocols.errors import BadFrame
from protocols.frames import Frame
from protocols.session import Received
from protocols.streams import MORE, Buffer, Stream
from protocols.t800x.packets import ALARMED, ASSET, ASSET_DATA, COMMAND, POSITIONS, READ, alarm_code, checksum_is_right

# A list of beacons or temperatures is the longest; the length has 16 bits, and Traccar takes 1 KB.
LARGEST_FRAME_BYTES = 8192
MARKS = (b"##", b"%%", b"&&", b"''")  # 2323, 2525, 2626, 2727
HEAD_BYTES = 15
LOGIN, HEARTBEAT = 0x01, 0x03
ANSWER_WANTED = 0x40  # in the format of 62 and 64


class Link(Stream):
    """One connection; every packet holds the tracker's IMEI."""

    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self) -> None:
        super().__init__()
        self._mark = MARKS[0]
        self._imei = b""  # of the tracker that is ours

    def cut(self, data: Buffer, at: int) -> int:
        if len(data) < at + 5:
            return MORE
        if data[at : at + 2] in MARKS:
            size = data[at + 3] << 8 | data[at + 4]
            return at + size if size >= HEAD_BYTES else -5
        end = self.find(data, self._mark, at + 1)
        return at - end if end > 0 else MORE

    def hear(self, message: bytes, received: Received) -> None:
        imei = message[7:HEAD_BYTES]
        if not (self.known and imei == self._imei):
            if not self.speaks(imei.hex()[1:], message, received):
                return
            self._imei = imei
        self._mark = message[:2]
        kind = message[2]
        if kind in (LOGIN, HEARTBEAT):
            received.reply += self._answer(message)
        elif (self._mark, kind) in READ or kind in POSITIONS or kind == COMMAND:
            self._report(kind, message, received)
        else:
            received.reply += self._answer(message)
            self.reject(f"no packet {kind:02x} of {message[:2].hex()} is read", message, received)

    def command(self, command: Command, serial: int, password: str) -> bytes:
        if command.type != "custom":
            raise CannotSend(f"TopFlyTech's trackers take custom alone, not {command.type}: its words, such as RESET#")
        if not self._imei:
            raise CannotSend("the tracker has said nothing yet, so its IMEI is not known")
        try:
            content = b"\x01" + command["data"].encode("ascii")
        except UnicodeEncodeError:
            raise CannotSend("its words are ASCII") from None
        return self._packet(COMMAND, serial.to_bytes(2, "big"), content)

    def _report(self, kind: int, message: bytes, received: Received) -> None:
        content = message[HEAD_BYTES:]
        name = f"{self._mark[0]:02x}{kind:02x}"
        serial = int.from_bytes(message[5:7], "big")
        if (self._mark, kind) in ASSET_DATA and not checksum_is_right(content):
            received.rejects.append(BadFrame("the checksum is wrong", message, Frame(name, content, context=serial)))
            return
        if kind == COMMAND:
            received.reply += self._answer(message)
            received.answers.append(Answer(content[1:].decode("utf-16-le", "replace")))
            received.frames.append(Frame(name, content, context=serial))
            return
        ack = b""
        if not ((self._mark, kind) in ASSET_DATA and not content[1] & ANSWER_WANTED):
            code = alarm_code(self._mark, kind, content)
            # a position says its alarm only if there is one; an asset's alarm says it always
            said = code is not None and (code or ((self._mark, kind) in ASSET and kind in ALARMED))
            ack = self._answer(message, bytes((code,)) if said and code is not None else b"")
        received.frames.append(Frame(name, content, ack, context=serial))

    def _answer(self, message: bytes, content: bytes = b"") -> bytes:
        serial = b"\0\1" if self._mark == MARKS[0] else message[5:7]
        return self._packet(message[2], serial, content)

    def _packet(self, kind: int, serial: bytes, content: bytes) -> bytes:
        size = HEAD_BYTES + len(content)
        return self._mark + bytes((kind,)) + size.to_bytes(2, "big") + serial + self._imei + content
