"""The session: text up to "$", binary by its length; heartbeats are answered at once, reports once they are stored."""

from __future__ import annotations

from fastcrc import crc16

from protocols.commands import Answer, CannotSend, Command
from protocols.errors import BadFrame
from protocols.frames import Frame
from protocols.gl200.binary import identity
from protocols.session import Received
from protocols.streams import MORE, Buffer, Stream

# A batch of compressed places may fill 1,440 bytes; crash data and OBD reports as text take less than 4,000.
LARGEST_FRAME_BYTES = 8192
LENGTH_AT: dict[bytes, tuple[int, int]] = {  # of a binary message: where its length stands, and in how many bytes
    b"+RSP": (9, 2),
    b"+BSP": (9, 2),
    b"+EVT": (9, 2),
    b"+BVT": (9, 2),
    b"+DAT": (9, 2),
    b"+CAN": (9, 2),
    b"+INF": (7, 2),  # or 9, on models whose mask of information has 4 bytes
    b"+BNF": (7, 2),
    b"+CRD": (6, 2),
    b"+BRD": (6, 2),
    b"+LGN": (6, 2),
    b"+ACK": (6, 1),
    b"+HBD": (5, 1),
    b"+ATI": (4, 1),
}
INFORMATION = (b"+INF", b"+BNF")
SHORTEST_BINARY_BYTES = 20
HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class Link(Stream):
    """One connection or one datagram."""

    largest_frame_bytes = LARGEST_FRAME_BYTES

    def cut(self, data: Buffer, at: int) -> int:
        if data[at] != 0x2B:
            if data[at] in b"\r\n\0 ":
                return at + 1
            plus = data.find(b"+", at)
            return at - plus if plus >= 0 else at - len(data)
        if len(data) - at < 5 and not self.whole:
            return MORE
        if data[at + 3 : at + 5] == b"P:" or data[at + 4 : at + 5] == b":" or bytes(data[at : at + 4]) not in LENGTH_AT:
            end = self.find(data, b"$", at)
            if end >= 0:
                return end + 1
            end = self.find(data, b"\0", at)  # GT300 and other old ones end so
            if end >= 0:
                return end + 1
            return len(data) if self.whole else MORE
        return self._cut_binary(data, at)

    def _cut_binary(self, data: Buffer, at: int) -> int:
        head = bytes(data[at : at + 4])
        place, size = LENGTH_AT[head]
        if len(data) - at < place + size + 2:
            return MORE
        end = at + int.from_bytes(data[at + place : at + place + size], "big")
        if head in INFORMATION and (end < at + SHORTEST_BINARY_BYTES or end <= len(data)) and data[end - 2 : end] != b"\r\n":
            end = at + int.from_bytes(data[at + 9 : at + 11], "big")
        if end < at + SHORTEST_BINARY_BYTES or end > at + LARGEST_FRAME_BYTES:
            return -4
        return end if end <= len(data) else MORE

    def hear(self, message: bytes, received: Received) -> None:
        if message[4:6] == b":G" or message[5:7] == b":G":
            self._text(message, received)
        elif message[:4] in LENGTH_AT and message[4:5] != b":":
            self._binary(message, received)
        elif message.strip(b"\r\n\0 "):
            self.reject("not a message of Queclink's", message, received)

    def _text(self, message: bytes, received: Received) -> None:
        fields = message.split(b",", 3)
        if len(fields) < 4:
            self.reject("a message without the tracker's id", message, received)
            return
        head, version, name, _ = fields
        if len(version) > 10:  # GT300 and its kin send no protocol version
            name = version
        if not self.speaks(name.decode("ascii", "replace"), message, received):
            return
        count = message[message.rfind(b",") + 1 : -1] if message[-1] == 0x24 else b""
        if not (len(count) == 4 and HEX_DIGITS.issuperset(count)):
            count = b""  # cut short on its way: acknowledging a count that isn't one would make the tracker send for ever
        if head[-5:] == b"GTHBD":
            if count:
                received.reply += b"+SACK:GTHBD,%s,%s$" % (version, count)
            return
        if head.startswith(b"+ACK"):
            received.answers.append(_answer(message))
        received.frames.append(Frame("text", message, b"+SACK:%s$" % count if count else b""))

    def _binary(self, message: bytes, received: Received) -> None:
        frame = Frame("binary", message)
        if message[-2:] != b"\r\n" or crc16.ibm_3740(message[4:-4]) != int.from_bytes(message[-4:-2], "big"):
            received.rejects.append(BadFrame("the checksum is wrong", message, frame))
            return
        name = identity(message)
        # A name isn't unique: where the tracker has said its IMEI on this connection, that stays.
        if not (self.known and not name.isdecimal()) and not self.speaks(name, message, received):
            return
        count = b"%04X" % int.from_bytes(message[-6:-4], "big")
        if message[:4] == b"+HBD":
            received.reply += b"+SACK:GTHBD,,%s$" % count
            return
        if message[:4] == b"+ACK":
            serial = int.from_bytes(message[-15:-13], "big")
            received.answers.append(Answer(message.hex(), serial=serial or None, ok=True))
        received.frames.append(Frame("binary", message, b"+SACK:%s$" % count))

    def command(self, command: Command, serial: int, password: str) -> bytes:
        return words(command, password, f"{serial:04X}").encode()


def _answer(message: bytes) -> Answer:
    """`+ACK:GTRTO,version,id,name,…,serial,time,count$`: what the command was told as its serial comes back."""
    text = message.decode("ascii", "replace").rstrip("$\0")
    fields = text.rsplit(",", 3)
    serial = None
    if len(fields) == 4 and len(fields[1]) == 4:
        try:
            serial = int(fields[1], 16)
        except ValueError:
            serial = None
    return Answer(text, serial=serial, ok=True)


# --- Commands ----------------------------------------------------------------------------------------------------------------

WORDS: dict[str, str] = {  # behind the password; RTO is the real-time operation, its first field says which
    "deviceIdentification": "RTO={},8,,,,,,{}",
    "engineResume": "OUT={},0,,,0,0,0,0,0,0,0,,,,,,,{}",
    "engineStop": "OUT={},1,,,0,0,0,0,0,0,0,,,,,,,{}",
    "factoryReset": "RTO={},4,,,,,,{}",
    "getModemStatus": "RTO={},7,,,,,,{}",
    "getVersion": "RTO={},8,,,,,,{}",
    "positionSingle": "RTO={},1,,,,,,{}",
    "powerOff": "RTO={},5,,,,,,{}",
    "rebootDevice": "RTO={},3,,,,,,{}",
}
COMMANDS = ("custom", *sorted(WORDS))


def words(command: Command, password: str, serial: str) -> str:
    """`AT+GTRTO=password,1,,,,,,serial$`. Raises CannotSend."""
    if command.type == "custom":
        text: str = command["data"]
        return text if text.endswith("$") else text + "$"
    if command.type not in WORDS:
        raise CannotSend(f"Queclink's trackers take {', '.join(COMMANDS)}, not {command.type}; others as custom: AT+GT…$")
    if any(letter in password for letter in ",$="):
        raise CannotSend("the password can't hold a comma, an equals sign or a dollar sign")
    return "AT+GT" + WORDS[command.type].format(password, serial) + "$"


def sms(command: Command, password: str) -> str:
    """Text messages take the same words."""
    return words(command, password, "FFFF")
