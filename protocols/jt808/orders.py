"""Commands of JT/T 808: what a type becomes, as a message with our serial, which comes back in the tracker's answer.

8103    count u8 | id u32 | length u8 | value …     parameters: 0013 server, 0018 port, 0029 interval s, 0055 km/h, 0080 0.1 km
8104    (nothing)                                   say all parameters
8105    order u8                                    3 off, 4 restart, 5 factory settings; F0 cuts fuel, F1 gives it back (makers')
8107    (nothing)                                   say who you are
8201    (nothing)                                   position
8203    alarm's serial u16 | kinds u32              alarms are confirmed
8300    flags u8 | text in GBK                      1 urgent, 4 to show, 8 to read aloud
8400    1 | phone                                   listen in
8801    channel u8 | count u16 | pause s u16 | keep u8 | size u8 | quality u8 | brightness, contrast, saturation, colour u8
0310    count u8 | id u8 | length u8 | value        24: 1 or 0 and a name, arms and disarms (makers', as Traccar sends it)
"""

from __future__ import annotations

import re
from collections.abc import Callable

from protocols.commands import CannotSend, Command
from protocols.jt808.wire import MARK, Head, built

LONGEST_BODY_BYTES = 1023
RAW = re.compile(r"(?:7[eE]|[eE]7)(?:[0-9a-fA-F]{2})+")
NUMBERED = re.compile(r"([0-9a-fA-F]{4}):((?:[0-9a-fA-F]{2})*)")
URGENT, SHOWN_AND_READ = 0x01, 0x0C


def order(command: Command, serial: int, head: Head | None, mark: int = MARK) -> bytes:
    """The message to the tracker whose last one had that head. Raises CannotSend."""
    if command.type == "custom" and RAW.fullmatch(command["data"]):
        return bytes.fromhex(command["data"])
    if head is None:
        raise CannotSend("the tracker has said nothing yet, so its number is not known")
    if command.type == "custom":
        kind, body = _custom(command["data"])
    elif command.type in ORDERS:
        kind, body = ORDERS[command.type](command)
    else:
        raise CannotSend(f"JT/T 808 has no words for {command.type}; custom takes kind:body in hex")
    if len(body) > LONGEST_BODY_BYTES:
        raise CannotSend(f"it has {len(body)} bytes, and a message has room for {LONGEST_BODY_BYTES}")
    return built(kind, head, serial, body, mark)


def _custom(data: str) -> tuple[int, bytes]:
    """`8105:04` is a message of that kind; other words are a text for the tracker."""
    numbered = NUMBERED.fullmatch(data)
    if numbered:
        return int(numbered[1], 16), bytes.fromhex(numbered[2])
    return 0x8300, bytes((URGENT,)) + _gbk(data)


def _gbk(text: str) -> bytes:
    try:
        return text.encode("gbk")
    except UnicodeEncodeError as error:
        raise CannotSend(f"the tracker's alphabet, GBK, lacks {text[error.start]!r}") from None


def _set(*parameters: tuple[int, bytes]) -> tuple[int, bytes]:
    body = bytes((len(parameters),))
    for number, value in parameters:
        if len(value) > 255:
            raise CannotSend("a parameter has at most 255 bytes")
        body += number.to_bytes(4, "big") + bytes((len(value),)) + value
    return 0x8103, body


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _photo(command: Command) -> tuple[int, bytes]:
    return 0x8801, bytes((command["index"], 0, 1, 0, 0, 0, 1, 5, 128, 64, 64, 128))


def _control(word: int) -> Callable[[Command], tuple[int, bytes]]:
    return lambda command: (0x8105, bytes((word,)))


def _asked(kind: int) -> Callable[[Command], tuple[int, bytes]]:
    return lambda command: (kind, b"")


ORDERS: dict[str, Callable[[Command], tuple[int, bytes]]] = {
    "alarmArm": lambda command: (0x0310, b"\x01\x24\x05\x01user"),
    "alarmDisarm": lambda command: (0x0310, b"\x01\x24\x05\x00user"),
    "alarmDismiss": lambda command: (0x8203, b"\0\0" + _u32(0x18700009)),  # all kinds that the manual lets be confirmed
    "alarmSpeed": lambda command: _set((0x0055, _u32(command["data"]))),
    "deviceIdentification": _asked(0x8107),
    "engineResume": _control(0xF1),
    "engineStop": _control(0xF0),
    "factoryReset": _control(5),
    "getDeviceStatus": _asked(0x8104),
    "getVersion": _asked(0x8107),
    "message": lambda command: (0x8300, bytes((SHOWN_AND_READ,)) + _gbk(command["message"])),
    "positionPeriodic": lambda command: _set((0x0029, _u32(command["frequency"]))),
    "positionSingle": _asked(0x8201),
    "powerOff": _control(3),
    "rebootDevice": _control(4),
    "requestPhoto": _photo,
    "setConnection": lambda command: _set((0x0013, _gbk(command["server"])), (0x0018, _u32(command["port"]))),
    "setOdometer": lambda command: _set((0x0080, _u32(command["data"] // 100))),
    "setSpeedLimit": lambda command: _set((0x0055, _u32(command["data"]))),
    "voiceMonitoring": lambda command: (0x8400, b"\x01" + _gbk(command["phone"])),
}
COMMANDS = ("custom", *sorted(ORDERS))
