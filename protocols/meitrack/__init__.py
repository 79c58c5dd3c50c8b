"""Meitrack over TCP and UDP: lines of text, and lists of binary records between the same head and tail.

Message $$ | flag | length | , | IMEI | , | type | , | content | * | checksum | CR LF; from the server with @@ in front
        the length counts from its comma to the end; the checksum is the sum of all bytes up to and with "*", as two hex digits;
        an answer repeats the flag of its command
AAA     event, latitude, longitude, yymmddhhmmss UTC, A or V, satellites, GSM 0-31, km/h, course, HDOP, altitude m, odometer m,
        run time s, mcc|mnc|lac hex|cell hex, inputs and outputs (2 + 2 hex digits), analog inputs, what the event says, reserved,
        version, fuel % (2 + 2 hex digits: whole, hundredths), temperatures (number 2, value 4 hex digits, "|" between them),
        count, data
        analog: ad1|ad2|ad3|battery|power in hex, or battery|power|… in volts
CCC     version u16 | record length u16 | how many are left u32 | records of 52 bytes (`records.py`), all little-endian
CCE     how many are left u32 | count u16 | records: length u16 | number u16 | four lists, each a count u8 and ids with their
        values: of one byte, of two, of four, and of a length u8 and as many bytes; an id of FE has another byte
        (`parameters.py`)
D03     the camera is ready             D00  file,parts,part,bytes    asked for eight at a time
else    the answer to a command, such as C01,OK
Reply   CCC,count once the records are stored; AAC,1 to AAC. AAA and CCE have none unless the tracker is told to want one (AFF,
        which would delete a report that is still to come where it doesn't)
Source  Meitrack, "GPRS Protocol" V1.6 (MVT, T1, T3, MT90), T622 V1.2, T1 & T333 V1.4 and P88L V1.3; names of attributes, and the
        parameters of newer models, as Traccar reads them

Battery and power are numbers of an analog converter on old models and hundredths of a volt on newer ones. The message doesn't say
which, but a lithium cell does: it has no more than 5 V, so that each of the three scales of the manuals has a range of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocols.frames import Frame
from protocols.meitrack.commands import COMMANDS, sms
from protocols.meitrack.parameters import listed_records
from protocols.meitrack.records import fixed_records
from protocols.meitrack.stream import LARGEST_FRAME_BYTES, Link
from protocols.meitrack.text import has_place, line
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec


def read(frame: Frame) -> Iterable[Report]:
    """The reports of one message, without its checksum."""
    if frame.kind == "words":
        return [Report(attributes={"result": frame.payload.decode("utf-8", "replace")})]
    if frame.kind == "photo":
        size, _, name = frame.payload.decode("utf-8", "replace").partition(",")
        return [Report(attributes={"image": name, "photoBytes": int(size)})]
    head = frame.payload.split(b",", 3)
    if len(head) < 4:
        raise CantRead("a message without content")
    if head[2] == b"CCC":
        return fixed_records(head[3])
    if head[2] == b"CCE":
        return listed_records(head[3])
    if head[2] != b"AAA" and not has_place(frame.payload):
        return [Report(attributes={"result": b",".join(head[2:]).decode("utf-8", "replace")})]
    return [line(frame.payload.decode("utf-8", "replace").split(","))]


CODEC = Codec(
    name="meitrack",
    port=5020,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=lambda: Link(whole=True),
    decode=decode_each(read),
    makers="Meitrack",
    source='Meitrack, "GPRS Protocol" V1.6, of T622 V1.2, of T1 and T333 V1.4, of P88L V1.3',
    models="MVT100, MVT340, MVT380, MVT600, MVT800, MT90, T1, T3, T311, T322, T333, T355, T366, T622, T633, TC68, P88, P99, K211",
    reads="power, battery, odometer, run time, inputs and outputs, analog inputs, fuel, temperatures, driver, taximeter, locks, "
    "Bluetooth tags, OBD, alarms",
    commands=COMMANDS,
    sms=sms,
)
