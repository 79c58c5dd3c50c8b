"""What a Teltonika tracker can be told, in Codec 12 or 14, and by SMS.

Codec 12  00000000 | length u32 | 0C 01 05 | length of text u32 | text | 01 | crc u32
Codec 14  00000000 | length u32 | 0E 01 05 | 8 + length of text u32 | IMEI, 8 bytes of two digits | text | 01 | crc u32
          when the command is told whose it is: a tracker of another IMEI answers with type 11 and does nothing
Answer    type 06 of the same codec (`messages.py`). No serial comes back: answers come in the order of the commands
SMS       login, blank, password, blank, text; both blanks stay where neither is set
Source    Teltonika wiki, "Codec", chapters Codec 12 and 14; "FMB SMS/GPRS commands"; "FMB parameter list"; setdigout for the
          engine, and hexadecimal text sent as bytes: as Traccar's TeltonikaProtocolEncoder does
"""

from __future__ import annotations

import re

from fastcrc.crc16 import arc

from protocols.commands import Answer, CannotSend, Command
from protocols.teltonika.messages import NOT_MINE, read_messages
from protocols.teltonika.rows import CantRead

CODEC_12, CODEC_14, TO_TRACKER, FROM_TRACKER = 0x0C, 0x0E, 0x05, 0x06
PLAIN: dict[str, str] = {
    "deviceIdentification": "getver",
    "engineResume": "setdigout 0",
    "engineStop": "setdigout 1",
    "factoryReset": "defaultcfg",
    "getDeviceStatus": "getinfo",
    "getModemStatus": "getstatus",
    "getVersion": "getver",
    "positionSingle": "getgps",
    "rebootDevice": "cpureset",
}
COMMANDS: tuple[str, ...] = (
    "custom",
    *sorted((*PLAIN, "outputControl", "positionPeriodic", "setConnection", "setSpeedLimit")),
)
MOST_OUTPUTS = 4
ADDRESSED = re.compile(r"(\d{15}) +(\S.*)", re.ASCII | re.DOTALL)  # custom text behind an IMEI
HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def text_of(command: Command) -> str:
    """The command's text. Raises CannotSend."""
    if command.type in PLAIN:
        return PLAIN[command.type]
    match command.type:
        case "custom":
            return str(command["data"])
        case "outputControl":
            index, state = command["index"], str(command["data"])
            if index > MOST_OUTPUTS or state not in ("0", "1"):
                raise CannotSend(f"outputs are 1 to {MOST_OUTPUTS}, and their state is 0 or 1")
            return f"setdigout {'?' * (index - 1)}{state}"  # ?: leave it as it is
        case "positionPeriodic":  # in the home network, while moving: how often to record, and to send
            return f"setparam 10050:{command['frequency']};10055:{command['frequency']}"
        case "setConnection":
            return f"setparam 2004:{command['server']};2005:{command['port']}"
        case "setSpeedLimit":
            return f"setparam 11104:{command['data']}"
    raise CannotSend(f"teltonika has no {command.type}; it has {', '.join(COMMANDS)}")


def packet(command: Command) -> bytes:
    """Raises CannotSend."""
    text = text_of(command)
    if not text.isascii():
        raise CannotSend("a command is ASCII, or bytes in hexadecimal")
    if command.type == "custom" and (found := ADDRESSED.fullmatch(text)):
        return _frame(CODEC_14, bytes.fromhex("0" + found[1]) + found[2].encode())
    is_binary = command.type == "custom" and HEXADECIMAL.fullmatch(text)
    return _frame(CODEC_12, bytes.fromhex(text) if is_binary else text.encode())


def _frame(codec: int, data: bytes) -> bytes:
    body = bytes((codec, 1, TO_TRACKER)) + len(data).to_bytes(4, "big") + data + b"\x01"
    return bytes(4) + len(body).to_bytes(4, "big") + body + arc(body).to_bytes(4, "big")


def sms(command: Command, password: str) -> str:
    """As a text message. The tracker's password holds login and password, with a blank between them, or the password alone."""
    who = password if " " in password else f" {password}"
    return f"{who} {text_of(command)}"


def answers_in(body: bytes) -> list[Answer]:
    """What a body of messages says to commands of ours; nothing when it can't be read, which `decode` then tells."""
    try:
        told = [report.attributes for report in read_messages(body)]
    except (CantRead, IndexError):
        return []
    found = []
    for attributes in told:
        if attributes.get("type") == NOT_MINE:
            found.append(Answer("that IMEI is not mine", ok=False))
        elif attributes.get("type") == FROM_TRACKER:
            found.append(Answer(str(attributes.get("result", ""))))
    return found
