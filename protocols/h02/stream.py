"""H02's connections and datagrams: where messages end, who speaks, what is answered, and commands."""

from __future__ import annotations

from protocols.commands import Answer, CannotSend, Command
from protocols.fields import KMH_PER_KNOT
from protocols.frames import Frame
from protocols.h02.reports import BINARY, LONG_BINARY, LONG_BYTES, MILEAGE, SHORT_BYTES, place_of
from protocols.session import Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 16384  # BC may hold a hundred points of some 75 bytes
LONGEST_TAIL_BYTES = 32  # behind the 32 bytes of a binary record: model's own fields, of no written length
STAR, DOLLAR, X, COMMA = 0x2A, 0x24, 0x58, 0x2C
BLANKS = b"\r\n \0"
HEARTBEATS = (b"HTBT", b"V0")
OWN_ID_DIGITS = 10


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(whole=whole)
        self.maker = b"HQ"  # trackers listen only to the name that they call themselves by
        self._name = b""  # the tracker's id as it wrote it last
        self._date = b""  # ddmmyy of the last position, for points that only say their day
        self._sent: set[int] = set()  # serials of commands: only they are read back, since some trackers put their own time
        self._tail = 0  # how many more bytes may be a binary record's own

    def cut(self, data: Buffer, at: int) -> int:
        mark = data[at]
        if mark == STAR and not (self._tail and len(data) - at >= 4 and data[at + 3] != COMMA):
            end = self.find(data, b"#", at)
            if end >= 0:
                self._tail = 0
            return end + 1 if end >= 0 else MORE
        if mark in BLANKS and not self._tail:
            return at + 1
        return self._cut_binary(data, at)

    def _cut_binary(self, data: Buffer, at: int) -> int:
        """A record of 32 or 42 bytes, told apart by where the digits of its time are; what follows one up to the next mark is
        passed over, since nobody has written down how long it is."""
        mark, size = data[at], len(data)
        if mark in (DOLLAR, X):
            if size - at < SHORT_BYTES:
                if not self._tail or size - at < 15 or _is_time(data, at + 6) or _is_time(data, at + 9):
                    return MORE
            elif _is_time(data, at + 6):
                self._tail = LONGEST_TAIL_BYTES
                return at + SHORT_BYTES
            elif mark == DOLLAR and _is_time(data, at + 9):
                if size - at >= LONG_BYTES:
                    self._tail = LONGEST_TAIL_BYTES
                    return at + LONG_BYTES
                return MORE
        if self._tail:
            self._tail -= 1
            return at + 1
        return at - _next_begin(data, at)

    def hear(self, message: bytes, received: Received) -> None:
        mark = message[0]
        if mark == STAR and len(message) > 1:
            self._hear_text(message, received)
        elif mark in (DOLLAR, X) and len(message) >= SHORT_BYTES:
            self._hear_binary(message, received)

    def _hear_text(self, message: bytes, received: Received) -> None:
        fields = message[:-1].split(b",", 12)
        if len(fields) < 3:
            self.reject("not a message of H02: *maker,id,type", message, received)
            return
        if not self._is_ours(fields[1], message, received):
            return
        self.maker, kind = fields[0][1:], fields[2]
        if kind == b"V1":
            ack = b""
            if len(fields) > 11:
                self._date = date = fields[11]
                ack = b"*%b,%b,V4,V1,20%b%b%b%b#" % (self.maker, fields[1], date[4:], date[2:4], date[:2], fields[3])
            received.frames.append(Frame("V1", message, ack))
        elif kind in HEARTBEATS and len(fields) == 3:
            received.reply += b",".join(fields) + b"#"
        elif kind == b"XT" and len(fields) == 3:
            pass  # a heartbeat that wants no answer
        else:
            self._hear_other(message, fields, received)

    def _hear_other(self, message: bytes, fields: list[bytes], received: Received) -> None:
        kind, ack, context = fields[2], b"", 0
        if kind == b"BC":
            context = int(self._date) if len(self._date) == 6 and self._date.isdigit() else 0
        elif kind in HEARTBEATS:
            ack = b",".join(fields[:3]) + b"#"
        elif kind == b"NBR":
            every = message[:-1].split(b",")
            date = next((field for field in reversed(every[:-1]) if len(field) == 6 and field.isdigit()), b"")
            ack = b"*%b,%b,V4,NBR,20%b%b%b%b#" % (self.maker, fields[1], date[4:], date[2:4], date[:2], fields[3])
        elif kind == b"V4":
            received.answers.append(_answer(message[:-1].decode("ascii", "replace").split(","), self._sent))
        elif kind == b"SMS":
            received.answers.append(Answer(message[:-1].decode("ascii", "replace").split(",", 3)[-1]))
        received.frames.append(Frame(kind[:16].decode("ascii", "replace"), message, ack, context))

    def _hear_binary(self, message: bytes, received: Received) -> None:
        if message[0] == X:  # has its mileage where others have their id
            if self.known:
                received.frames.append(Frame(MILEAGE, message))
            else:
                self.reject("a record without an id, and nobody has said who speaks", message, received)
        elif len(message) == LONG_BYTES:
            if self._is_ours(message[1:9].hex()[:15].encode(), message, received):
                received.frames.append(Frame(LONG_BINARY, message))
        elif self._is_ours(message[1:6].hex().encode(), message, received):
            received.frames.append(Frame(BINARY, message))

    def _is_ours(self, name: bytes, message: bytes, received: Received) -> bool:
        """Whether the tracker that calls itself so is known; without a name it is who spoke before."""
        if self.known and (name == self._name or not name):
            return True
        if not self.speaks(name.decode("ascii", "replace"), message, received):
            return False
        self._name = name
        return True

    def command(self, command: Command, serial: int, password: str) -> bytes:
        said = words(command, self.maker.decode("ascii", "replace"), self.tracker, serial).encode()
        self._sent.add(serial)
        return said


def _next_begin(data: Buffer, at: int) -> int:
    """Where a message may begin behind bytes that are none."""
    star = data.find(b"*", at + 1)
    end = star if star >= 0 else len(data)
    while (at := data.find(b"$", at + 1, end)) >= 0 and len(data) - at >= 15:
        if _is_time(data, at + 6) or _is_time(data, at + 9):
            break
    return at if at >= 0 else end


def _is_time(data: Buffer, at: int) -> bool:
    """Whether hhmmssddmmyy could be there, two digits a byte."""
    digits = bytes(data[at : at + 6]).hex()
    return (
        len(digits) == 12
        and digits.isdecimal()
        and digits[:2] < "24"
        and digits[2:4] < "60"
        and digits[4:6] < "60"
        and "00" < digits[6:8] < "32"
        and "00" < digits[8:10] < "13"
    )


def _answer(fields: list[str], sent: set[int]) -> Answer:
    """V4: the command, what came of it, the time that the command was given, then the position.

    We put the serial into that time, as seconds of a day.
    """
    place = place_of(fields, answers=True)
    said = fields[3:] if place is None else fields[3 : place - 2]
    if not said:
        return Answer("")
    outcome = said[1].upper() if len(said) > 1 else ""
    ok = None
    if outcome in ("OK", "DONE", "ERROR"):
        ok = outcome != "ERROR"
    elif len(outcome) == 2 and len(said) == 3 and all(letter in "0123456789ABCDEF" for letter in outcome):
        ok = int(outcome, 16) >= 0x80
    serial = _serial(said[-1])
    return Answer(",".join(said), serial if serial in sent else None, ok)


def _serial(clock: str) -> int | None:
    if len(clock) != 6 or not (clock.isascii() and clock.isdecimal()):
        return None
    return int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:]) or None


def _clock(serial: int) -> str:
    return f"{serial // 3600:02d}{serial // 60 % 60:02d}{serial % 60:02d}"


TIMED = {  # a command's type → its word, and the parameters behind the time
    "alarmArm": ("SCF", "0,0"),
    "alarmDisarm": ("SCF", "1,1"),
    "alarmDismiss": ("R7", ""),
    "engineResume": ("S20", "1,0"),
    "engineStop": ("S20", "1,1"),
    "factoryReset": ("RESET", ""),
    "positionSingle": ("D1", "30,1"),
    "rebootDevice": ("R1", ""),
}
UNANSWERED = ("alarmDismiss", "positionSingle", "rebootDevice")  # D1 brings a position, R1 and R7 nothing
COMMANDS = ("custom", *sorted([*TIMED, "deviceIdentification", "getDeviceStatus", "positionPeriodic", "setSpeedLimit"]))


def words(command: Command, maker: str, unique_id: str, serial: int) -> str:
    """The command as text. Raises CannotSend."""

    def timed(kind: str, parameters: str) -> str:
        return f"*{maker},{unique_id},{kind},{_clock(serial)}{',' if parameters else ''}{parameters}#"

    if command.type in TIMED:
        return timed(*TIMED[command.type])
    match command.type:
        case "positionPeriodic":
            return timed("S71", f"22,{command['frequency']}")
        case "setSpeedLimit":  # 0 for no lower limit, with any fix, after 10 seconds
            return timed("S14", f"{min(round(command['data'] / KMH_PER_KNOT), 255)},0,2,10")
        case "getDeviceStatus" | "deviceIdentification":
            return f"*{maker},{unique_id},INFO#"
        case "custom":
            text = str(command["data"])
            if text.startswith("*"):
                return text if text.endswith("#") else text + "#"
            kind, _, parameters = text.rstrip("#").partition(",")
            return timed(kind, parameters)
    raise CannotSend(f"H02 has no {command.type}; it has {', '.join(COMMANDS)}")


def sms(command: Command, password: str) -> str:
    """The same words by SMS: the maker says that they may come either way, and that the id is not looked at."""
    return words(command, "HQ", "000", 1)
