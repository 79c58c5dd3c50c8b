"""What a GT06 tracker can be told, as the words that its makers also take by SMS, and what it says to that.

To it   7878 | length u8 | 80 | 4 + length of text u8 | server's own u32 | text | serial u16 | crc u16 | 0D0A
        the server's own four bytes come back in the answer (0x15, or 0x21 long): they hold the command's serial
Words   RELAY,1# and RELAY,0# cut and restore the fuel; where the tracker has a password, the older DYD,password# and
        HFYD,password#, which clones know that have no RELAY
Source  Concox, "GPS Tracker Communication Protocol", 5.4 (online command) and 5.5; Concox and Jimi, lists of SMS commands;
        Traccar's Gt06ProtocolEncoder for both ways to stop the engine
"""

from __future__ import annotations

from protocols.commands import Answer, CannotSend, Command, offset_minutes

COMMAND = 0x80
LONGEST_TEXT = 240  # the packet's length is one byte, and has to hold kind, length, serials and checksum too
PLAIN: dict[str, str] = {
    "deviceIdentification": "PARAM#",
    "factoryReset": "FACTORY#",
    "getDeviceStatus": "STATUS#",
    "getVersion": "VERSION#",
    "positionSingle": "WHERE#",
    "rebootDevice": "RESET#",
}
RELAY: dict[str, tuple[str, str]] = {  # without a password, with one
    "engineStop": ("RELAY,1#", "DYD,{}#"),
    "engineResume": ("RELAY,0#", "HFYD,{}#"),
}
COMMANDS: tuple[str, ...] = (
    "custom",
    *sorted((*PLAIN, *RELAY, "alarmSpeed", "positionPeriodic", "setConnection", "setTimezone", "sosNumber")),
)
MOST_SOS = 3
GOOD, BAD = ("SUCCESS", "OK!"), ("FAIL", "ERROR", "INVALID")


def text_of(command: Command, password: str) -> str:
    """The command as a tracker reads it. Raises CannotSend."""
    kind = command.type
    if kind in PLAIN:
        return PLAIN[kind]
    if kind in RELAY:
        plain, guarded = RELAY[kind]
        return guarded.format(password) if password else plain
    match kind:
        case "custom":
            return str(command["data"])
        case "positionPeriodic":  # with the ignition on, and off
            return f"TIMER,{command['frequency']},{command['frequency']}#"
        case "setTimezone":
            east = offset_minutes(command["timezone"])
            return f"GMT,{'W' if east < 0 else 'E'},{abs(east) // 60},{abs(east) % 60}#"
        case "setConnection":
            server = str(command["server"])
            is_name = any(letter.isalpha() for letter in server)
            return f"SERVER,{int(is_name)},{server},{command['port']},0#"
        case "alarmSpeed":  # after 20 seconds, told by the connection alone
            return f"SPEED,ON,20,{command['data']},0#" if command["data"] else "SPEED,OFF#"
        case "sosNumber":
            if command["index"] > MOST_SOS:
                raise CannotSend(f"this tracker keeps {MOST_SOS} emergency numbers, counted from 1")
            return f"SOS,A{',' * command['index']}{command['phone']}#"
    raise CannotSend(f"gt06 has no {kind}; it has {', '.join(COMMANDS)}")


def content(command: Command, serial: int, password: str) -> bytes:
    """What stands between the kind and the serial. Raises CannotSend."""
    text = text_of(command, password)
    if not text.isascii() or len(text) > LONGEST_TEXT:
        raise CannotSend(f"a command has at most {LONGEST_TEXT} letters, digits and signs of ASCII")
    return bytes((4 + len(text),)) + serial.to_bytes(4, "big") + text.encode()


def answer(own: bytes, text: str) -> Answer:
    """What a tracker says; `own`: the four bytes that were in the command."""
    serial, said = int.from_bytes(own, "big"), text.upper()
    ok = True if any(word in said for word in GOOD) else False if any(word in said for word in BAD) else None
    return Answer(text, serial if 0 < serial < 1 << 16 else None, ok)
