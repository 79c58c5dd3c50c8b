"""CalAmp's LM Direct over UDP: one message a datagram. All numbers are big-endian.

Options   u8, bit 7 set, or no such header at all | for each of bits 0 to 6 a length u8 and as many bytes:
          0 mobile id, BCD, F fills up · 1 its type (1 ESN, 2 IMEI, 3 IMSI, 4 chosen by the user, 5 phone, 6 IP) ·
          2 authentication · 3 routing · 4 forwarding · 5 response redirection · 6 extension: a byte whose bits 0 to 4 (ESN,
          VIN, encryption, compression, routing) name more of such fields behind it
Message   service u8 (0 without, 1 with acknowledgement, 2 a response) | type u8 | sequence u16 | what the type has, below
Place     update s u32, time of fix s u32, both since 1970, UTC | latitude i32, longitude i32, 1e-7 degree | altitude i32, cm |
          speed u32, cm/s | course i16, degrees | satellites u8 | fix u8, bit 3 invalid | carrier u16 | rssi i16, dBm | modem u8 |
          hdop u8, 0.1 | inputs u8, bit 0 ignition | unit status u8
Short     update s u32 | latitude i32 | longitude i32 | course i16 | speed u8, km/h | u8: bit 5 invalid, 0-3 satellites |
          modem u8 | inputs u8
Sums      u8: bits 0-5 how many, 6-7 kind; kind 1: threshold u32, mask u32 first | appended u8, not in type 10 | that many u32
Types     0 alive · 1 acknowledgement · 2 event: Place, index u8, code u8, Sums · 3 who it is (`_identity`) · 4 text of the
          user: Place, route u8, id u8, length u16, text · 5 of an application: Place, type u16, length u16, bytes ·
          8 locate: Place, Sums · 9 text with sums: Place, … · 10 short event: Short, code u8, Sums · 11 short text: Short, …
Reply     02 | 01 | sequence | type | 00, kept | 00 | 000000       to service 1; for reports when they are stored
Source    CalAmp, "LM Direct Reference Guide", version 8.4 (January 2011) and the guide in PULS Wiki (December 2013)
"""

from __future__ import annotations

import re
import struct
from typing import Any

from protocols.fields import KMH_PER_MPS
from protocols.frames import Frame
from protocols.reports import Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 2048  # a datagram on its way over mobile networks has at most 1500
OPTIONS = 0x80
EXTENDED = 0x1F  # bits of the extension that have a field of their own
ALIVE, ACK, EVENT, IDENTITY, TEXT, DATA, LOCATE, TEXT_WITH_SUMS, SHORT_EVENT, SHORT_TEXT = 0, 1, 2, 3, 4, 5, 8, 9, 10, 11
ACKNOWLEDGED, RESPONSE = 1, 2
KINDS = {
    EVENT: "event",
    IDENTITY: "identity",
    TEXT: "text",
    DATA: "data",
    LOCATE: "locate",
    TEXT_WITH_SUMS: "text with sums",
    SHORT_EVENT: "short event",
    SHORT_TEXT: "short text",
}
HEAD = struct.Struct(">BBH")


class Link(Stream):
    """LM Direct says nowhere how long a message is: only datagrams have an end."""

    largest_frame_bytes = LARGEST_FRAME_BYTES

    def cut(self, data: Buffer, at: int) -> int:
        return len(data) if self.whole else MORE

    def hear(self, message: bytes, received: Received) -> None:
        at, name = _options(message)
        if len(message) < at + HEAD.size:
            self.reject("the message is shorter than its head", message, received)
            return
        if name and not self.speaks(name, message, received):
            return
        service, type_, sequence = HEAD.unpack_from(message, at)
        ack = struct.pack(">BBHBBI", RESPONSE, ACK, sequence, type_, 0, 0) if service == ACKNOWLEDGED else b""
        kind = KINDS.get(type_)
        if kind is not None:
            received.frames.append(Frame(kind, message[at + HEAD.size :], ack))
        elif type_ == ALIVE:
            received.reply += ack
        elif type_ != ACK:
            self.reject(f"messages of type {type_} are not read", message, received)


def _options(message: bytes) -> tuple[int, str]:
    """Where the message begins behind its options, and the tracker's name among them."""
    if not message[0] & OPTIONS:
        return 0, ""
    at, name, more = 1, "", 0
    for bit in range(7):
        if message[0] >> bit & 1 and at < len(message):
            value = message[at + 1 : at + 1 + message[at]]
            at += 1 + message[at]
            if bit == 0:
                name = value.hex().replace("f", "")
            elif bit == 6 and len(value) == 1:
                more = (value[0] & EXTENDED).bit_count()
    for _ in range(more):
        at += 1 + message[at] if at < len(message) else 0
    return at, name


# --- Reading -----------------------------------------------------------------------------------------------------------------

PLACE = struct.Struct(">IIiiiIhBBHhBBBB")
SHORT = struct.Struct(">IiihBBBB")
INVALID, SHORT_INVALID = 0x08, 0x20


def read(frame: Frame) -> list[Report]:
    data = frame.payload
    if frame.kind == "identity":
        return [_identity(data)]
    if frame.kind.startswith("short"):
        return [_short(data, event=frame.kind == "short event")]
    (update_s, _, latitude, longitude, altitude, speed, course, satellites, fix, carrier, dbm, modem, hdop, inputs,
     status) = PLACE.unpack_from(data)  # fmt: skip
    attributes: dict[str, Any] = {"carrier": carrier, "modem": modem, "hdop": hdop / 10, "input": inputs, "status": status}
    report = Report(
        time_ms=update_s * 1000,
        valid=not fix & INVALID,
        latitude=latitude * 1e-7,
        longitude=longitude * 1e-7,
        altitude_m=altitude * 0.01,
        speed_kmh=speed * 0.01 * KMH_PER_MPS,
        course_deg=course,
        satellites=satellites,
        ignition=inputs & 1,
        gsm=dbm,
        attributes=attributes,
    )
    at = PLACE.size
    if frame.kind == "event":
        attributes["event"] = data[at + 1]
        _sums(attributes, data, at + 2, appended=True)
    elif frame.kind == "locate":
        _sums(attributes, data, at, appended=True)
    elif frame.kind == "text":
        (length,) = struct.unpack_from(">H", data, at + 2)
        attributes["result"] = data[at + 4 : at + 4 + length].decode("ascii", "replace").strip("\0 \r\n")
    elif frame.kind == "data":
        type_, length = struct.unpack_from(">HH", data, at)
        attributes |= {"type": type_, "data": data[at + 4 : at + 4 + length].hex()}
    return [report]


def _short(data: bytes, *, event: bool) -> Report:
    update_s, latitude, longitude, course, speed, fix, modem, inputs = SHORT.unpack_from(data)
    attributes: dict[str, Any] = {"modem": modem, "input": inputs}
    if event:
        attributes["event"] = data[SHORT.size]
        _sums(attributes, data, SHORT.size + 1, appended=False)
    return Report(
        time_ms=update_s * 1000,
        valid=not fix & SHORT_INVALID,
        latitude=latitude * 1e-7,
        longitude=longitude * 1e-7,
        speed_kmh=speed,
        course_deg=course,
        satellites=fix & 15,
        ignition=inputs & 1,
        attributes=attributes,
    )


def _sums(attributes: dict[str, Any], data: bytes, at: int, *, appended: bool) -> None:
    """Accumulators; a datagram that was cut short has fewer."""
    head = data[at]
    at += 1
    if appended:
        attributes["append"] = data[at]
        at += 1
    if head >> 6 == 1:
        at += 8
    count = min(head & 63, max(len(data) - at, 0) // 4)
    attributes.update((f"acc{place}", value) for place, value in enumerate(struct.unpack_from(f">{count}I", data, at)))


IDENTITY_HEAD = struct.Struct(">BB3sBBBBBI8s8s8s8s10s")
VIN = re.compile(rb"VIN=([0-9A-Z]{11,17})\b")


def _identity(data: bytes) -> Report:
    """Versions of script u8, configuration u8 and software, 3 letters | vehicle class u8 | unit status u8 | modem u8 |
    application u8 | type of the mobile id u8 | query u32 | ESN, IMEI, IMSI and MIN, 8 bytes BCD each | ICC-ID, 10 | texts, each
    with a NUL behind it."""
    script, config, software, _, status, modem, application, _, _, _, imei, imsi, _, iccid = IDENTITY_HEAD.unpack_from(data)
    attributes: dict[str, Any] = {
        "versionFw": software.decode("ascii", "replace").strip("\0 "),
        "versionScript": script,
        "versionConfig": config,
        "status": status,
        "modem": modem,
        "application": application,
    }
    for name, digits in (("imei", imei), ("imsi", imsi), ("iccid", iccid)):
        if text := digits.hex().strip("f"):
            attributes[name] = text
    if found := VIN.search(data, IDENTITY_HEAD.size):
        attributes["vin"] = found[1].decode()
    return Report(attributes=attributes)


CODEC = Codec(
    name="calamp",
    port=5082,
    transports=("udp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=lambda: Link(whole=True),
    decode=decode_each(read),
    makers="CalAmp",
    models="LMU-200, LMU-300, LMU-700, LMU-1100, LMU-2600, LMU-3030, LMU-4200, LMU-5000, TTU-700, TTU-2830",
    reads="ignition, inputs, events, accumulators, signal, satellites, VIN",
    source="CalAmp LM Direct Reference Guide",
)
