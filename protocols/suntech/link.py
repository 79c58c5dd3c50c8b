"""A Suntech tracker's connection: where its lines end, what they are, and what it can be told."""

from __future__ import annotations

from protocols.commands import Answer, CannotSend, Command
from protocols.frames import Frame
from protocols.session import Received
from protocols.streams import MORE, Buffer, Stream
from protocols.suntech.binary import CRASH_BYTES, OLD_ZIP, OLD_ZIP_AT, OLD_ZIP_KINDS
from protocols.suntech.text import words_of

# Serial data has up to 500 bytes and an answer with all parameters some 1,500; a crash comes in parts of about 700.
LARGEST_FRAME_BYTES = 4096
MOST_LENGTH_FIELDS = 40  # in front of UEX data there are at most 25

OLD_ZIP_TYPE = 0x02  # with an end mark behind what its length counts
ZIPS = {  # by type the kind of the frame, least bytes, where the id stands and its digits
    OLD_ZIP_TYPE: ("old zip", OLD_ZIP_AT + OLD_ZIP.size + 2, 4, 9),
    0x81: ("zip", 11, 3, 10),
    0x82: ("zip", 11, 3, 10),
}
UNIVERSAL = ("STT", "ALT", "UEX", "BLE", "RES", "ALV", "CRR")
LEGACY = ("STT", "EMG", "EVT", "ALT", "UEX", "HTE", "ALV")


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(whole=whole)
        self.family = ""  # what legacy commands begin with; empty: the tracker speaks the universal protocol
        self.crash = bytearray()

    def cut(self, data: Buffer, at: int) -> int:
        if data[at] in b"\r\n":
            return at + 1
        if _in_bytes(data[at]):
            if len(data) - at < 3:
                return MORE
            end = at + 3 + int.from_bytes(data[at + 1 : at + 3], "big") + (data[at] == OLD_ZIP_TYPE)
            return end if end <= len(data) else MORE
        end = self.find(data, b"\r", at)
        if 0 <= end < (inside := _serial_end(data, at, end)):
            end = self.find(data, b"\r", inside)
        if end < 0:
            return len(data) if self.whole else MORE
        return end + 1

    def hear(self, message: bytes, received: Received) -> None:
        if message in (b"\r", b"\n"):
            return
        if _in_bytes(message[0]):
            self._zip(message, received)
            return
        words = message[:64].decode("ascii", "replace").rstrip("\r").split(";")
        if len(words) < 2:
            self.reject("no fields parted by ;", message, received)
        elif len(words[0]) < 5:
            self._universal(words, message, received)
        elif words[0].startswith("ST9"):
            if len(words) > 2 and words[1] in ("Location", "Emergency", "Alert"):
                self._report("ST9", words[2], words[0], message, received)
            else:
                self.reject("no report of an ST9xx", message, received)
        else:
            self._legacy(words, message, received)

    def _zip(self, message: bytes, received: Received) -> None:
        kind, shortest, at, digits = ZIPS.get(message[0], ("", 0, 0, 0))
        if len(message) < shortest or not kind or (message[0] == OLD_ZIP_TYPE and message[3] not in OLD_ZIP_KINDS):
            self.reject(f"zipped reports of type {message[0]:02x} are not kept", message, received)
        elif self.speaks(message[at : at + 5].hex()[:digits], message, received):
            if message[0] != OLD_ZIP_TYPE:  # it doesn't say which legacy family speaks
                self.family = ""
            received.frames.append(Frame(kind, message, self._ack()))

    def _universal(self, words: list[str], message: bytes, received: Received) -> None:
        kind = words[0]
        if kind not in UNIVERSAL:
            self.reject(f"reports of type {kind[:8]} are not kept", message, received)
        elif self.speaks(words[1], message, received):
            self.family = ""
            if kind == "CRR":
                self._crash(words, message, received)
            elif kind != "ALV":
                received.frames.append(Frame("universal", message, b"" if kind == "RES" else self._ack()))
                if kind == "RES":
                    received.answers.append(Answer(words_of(message).split(";", 2)[-1]))

    def _legacy(self, words: list[str], message: bytes, received: Received) -> None:
        family, kind = words[0][:-3], words[0][-3:]
        if words[1] == "Res" and len(words) > 3:
            if self.speaks(words[2], message, received):
                self.family = family
                received.frames.append(Frame("response", message))
                received.answers.append(Answer(words_of(message).split(";", 3)[-1]))
        elif kind not in LEGACY:
            self.reject(f"reports of type {kind} are not kept", message, received)
        else:
            seven_cells = family.startswith("ST4") and message.count(b";") > 7 * 6
            self._report("ST4" if seven_cells else "legacy", words[1], family, message, received)

    def _report(self, layout: str, unique_id: str, family: str, message: bytes, received: Received) -> None:
        if self.speaks(unique_id, message, received):
            self.family = family
            if not message.startswith(b"ALV", len(family)):
                received.frames.append(Frame(layout, message, self._ack()))

    def _ack(self) -> bytes:
        """Over TCP nothing is acknowledged."""
        return f"{self.family}ACK;{self.tracker}\r".encode() if self.whole else b""

    def _crash(self, words: list[str], message: bytes, received: Received) -> None:
        """A part of a crash: number and count of parts in the head, three bytes behind the data."""
        head = sum(len(word) + 1 for word in words[:4])
        if len(words) < 5 or not (words[2].isdecimal() and words[3].isdecimal()):
            self.reject("no part of a crash", message, received)
            return
        part, parts = int(words[2]), int(words[3])
        if part <= 1:
            self.crash.clear()
        self.crash += message[head:].removesuffix(b"\r")[:-3]
        if part < parts and len(self.crash) <= CRASH_BYTES:
            return
        if len(self.crash) == CRASH_BYTES:
            received.frames.append(Frame("crash", bytes(self.crash)))
        else:
            self.reject("a crash of which parts are missing", message, received)
        self.crash.clear()

    def command(self, command: Command, serial: int, password: str) -> bytes:
        """There is no room for a serial or a password. Nothing heard yet: the universal words, which newer trackers know."""
        if command.type == "custom":
            if not command["data"].isascii():
                raise CannotSend("Suntech trackers understand plain ASCII only")
            return f"{command['data']}\r".encode()
        if self.family:
            return f"{self.family}CMD;{self.tracker};02;{_legacy_words(command)}\r".encode()
        return f"CMD;{self.tracker};{_universal_words(command)}\r".encode()


LEGACY_WORDS = {
    "rebootDevice": "Reboot", "positionSingle": "StatusReq", "factoryReset": "Reset", "alarmDismiss": "AckEmerg",
    "engineStop": "Enable1", "engineResume": "Disable1", "alarmArm": "Enable2", "alarmDisarm": "Disable2",
}  # fmt: skip
UNIVERSAL_WORDS = {
    "rebootDevice": "03;03", "positionSingle": "03;01",
    "engineStop": "04;01", "engineResume": "04;02", "alarmArm": "04;03", "alarmDisarm": "04;04",
}  # fmt: skip
OUTPUTS = {1: ("04;02", "04;01"), 2: ("04;04", "04;03"), 3: ("04;10", "04;09")}  # off, on


def _legacy_words(command: Command) -> str:
    if command.type == "outputControl":
        return f"{'Enable' if _on(command) else 'Disable'}{command['index']}"
    if command.type not in LEGACY_WORDS:
        raise CannotSend(f"Suntech trackers have no word for {command.type}; custom sends your own")
    return LEGACY_WORDS[command.type]


def _universal_words(command: Command) -> str:
    if command.type == "outputControl":
        if command["index"] not in OUTPUTS:
            raise CannotSend("outputs are 1, 2 and 3")
        return OUTPUTS[command["index"]][_on(command)]
    if command.type not in UNIVERSAL_WORDS:
        raise CannotSend(f"universal Suntech trackers have no word for {command.type}; custom sends your own")
    return UNIVERSAL_WORDS[command.type]


def _on(command: Command) -> bool:
    if command["data"] not in ("0", "1"):
        raise CannotSend("the state of an output is 1 or 0")
    return bool(command["data"] == "1")


def _in_bytes(first: int) -> bool:
    return first >= 0x80 or first == OLD_ZIP_TYPE


def _serial_end(data: Buffer, at: int, end: int) -> int:
    """Where the data of a UEX ends, whose length stands in front of it; `at` for what isn't one."""
    if b"UEX" not in data[at : at + 12]:
        return at
    fields = bytes(data[at:end]).split(b";", MOST_LENGTH_FIELDS)
    place = _length_place([field.decode("ascii", "replace") for field in fields])
    if not 0 < place < len(fields) - 1 or not fields[place].isdigit() or len(fields[place]) > 4:
        return at
    return at + sum(len(field) + 1 for field in fields[: place + 1]) + int(fields[place])


def _length_place(fields: list[str]) -> int:
    """Which of the fields is the length of serial data; 0: none can be found."""
    if fields[0] == "UEX":
        mask = _mask(fields)
        return 3 + sum(mask >> bit & 1 for bit in range(1, 19)) if mask else 0
    time = next((place for place in range(3, min(len(fields), 7)) if ":" in fields[place]), 0)
    place = next((place for place in range(time + 1, len(fields)) if "." in fields[place]), 0) if time else 0
    return place + 9 if place else 0


def _mask(fields: list[str]) -> int:
    try:
        return int(fields[2], 16)
    except (IndexError, ValueError):
        return 0
