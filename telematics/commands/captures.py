"""What somebody has of an unknown tracker: hex, text, a file of either or of raw bytes, or a capture of tcpdump or Wireshark.

Hex         with # in front of what is none, as the page that listens to a tracker saves it: a packet a line
Captures    pcap (any byte order, micro- or nanoseconds) and pcapng; Ethernet (with VLAN tags), raw IP, Linux cooked (1 and 2),
            loopback of BSD; IPv4 and IPv6 without fragments; TCP streams are put together in the order of their numbers
Source      IETF drafts "PCAP Capture File Format" and "PCAP Next Generation"; tcpdump.org, link-layer header types
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

LARGEST_FILE_BYTES = 64 << 20
LARGEST_TALK_BYTES = 256 << 10  # of one conversation; what it is shows at its beginning
MOST_TALKS = 1000
PCAP = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
NAMES = (".hex", ".txt", ".log", ".bin", ".dat", ".cap", ".pcap", ".pcapng", ".jsonl")
PCAPNG = b"\x0a\x0d\x0d\x0a"
SECTION, INTERFACE, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 3, 6
VLAN = (0x8100, 0x88A8)
TCP, UDP = 6, 17


class Talk(msgspec.Struct):
    """What one side said to the other: a stream, or datagrams."""

    pieces: list[bytes]
    udp: bool | None = None  # None: not known
    port: int = 0  # that it was said to; 0: not known
    source: str = ""


def talks_of(given: str) -> list[Talk]:
    """What there is to look at in a command line's argument. Raises ValueError with what to do."""
    path = Path(given)
    try:
        is_file = len(given) < 4096 and path.is_file()
    except (OSError, ValueError):
        is_file = False
    if not is_file:
        if looks_like_a_file(given):
            raise ValueError(f"there is no file {given}")
        return [Talk([_bytes(given)])]
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise ValueError(f"a file has at most {LARGEST_FILE_BYTES >> 20} MB: cut the capture to the tracker's conversation")
    data = path.read_bytes()
    if data[:4] in PCAP or data[:4] == PCAPNG:
        return conversations(data)
    try:
        return [Talk(_hex(data.decode("utf-8")))]
    except ValueError:
        return [Talk([data])]


def looks_like_a_file(given: str) -> bool:
    """A name of what packets are kept in, rather than a packet: a misspelt one would be read as text, and explain nothing."""
    return given.lower().endswith(NAMES) and not any(sign in given for sign in ",?=#$*;")


def _hex(text: str) -> list[bytes]:
    """The packets. Raises ValueError when it is something else, or nothing but remarks."""
    lines = text.splitlines()
    said = [line for line in lines if not line.startswith("#")]
    if len(said) == len(lines):
        return [bytes.fromhex(text)]
    pieces = [piece for line in said if (piece := bytes.fromhex(line))]
    if not pieces:
        raise ValueError("there are remarks, but no hex")
    return pieces


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:  # what a terminal can't type: the line end
        return text.encode("utf-8", "surrogateescape") + (b"" if text.endswith("\n") else b"\r\n")


class Packet(NamedTuple):
    talk: tuple[str, int, str, int, bool]  # from whom, to whom, udp
    number: int  # of the first byte, in TCP
    starts: bool
    payload: bytes


def conversations(data: bytes) -> list[Talk]:
    """Both directions of every conversation in a capture, the longest first. Raises ValueError when there are none."""
    found: dict[tuple[str, int, str, int, bool], list[Packet]] = {}
    try:
        for link, frame in _frames(data):
            packet = _packet(link, frame)
            if packet is not None and (packet.payload or packet.starts) and (packet.talk in found or len(found) < MOST_TALKS):
                found.setdefault(packet.talk, []).append(packet)
    except struct.error:  # the file ends within a packet: what came before counts
        pass
    talks = []
    for (source, source_port, _, port, udp), packets in found.items():
        pieces = [packet.payload for packet in packets] if udp else [_stream(packets)]
        if any(pieces):
            talks.append(Talk(pieces, udp, port, f"{source}:{source_port} → port {port}, {'udp' if udp else 'tcp'}"))
    if not talks:
        raise ValueError("no TCP or UDP with anything in it is in this capture")
    return sorted(talks, key=lambda talk: -sum(map(len, talk.pieces)))


def _stream(packets: list[Packet]) -> bytes:
    """TCP put together: in the order of the numbers, what came twice once, a gap closed."""
    first = next((packet.number + 1 for packet in packets if packet.starts), packets[0].number)
    placed = sorted(((packet.number - first + (1 << 31)) % (1 << 32) - (1 << 31), packet.payload) for packet in packets)
    stream, end = bytearray(), 0
    for place, payload in placed:
        if len(stream) >= LARGEST_TALK_BYTES:
            break
        if payload and place + len(payload) > end:
            stream += payload[max(0, end - place) :]
            end = place + len(payload)
    return bytes(stream)


def _frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Link type and bytes of each packet."""
    if data[:4] == PCAPNG:
        yield from _next_generation(data)
        return
    order = PCAP[data[:4]]
    link, at = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF, 24
    while at < len(data):
        size = struct.unpack_from(order + "I", data, at + 8)[0]
        yield link, data[at + 16 : at + 16 + size]
        at += 16 + size


def _next_generation(data: bytes) -> Iterator[tuple[int, bytes]]:
    at, order, links = 0, "<", list[int]()
    while at + 12 <= len(data):
        kind = struct.unpack_from(order + "I", data, at)[0]
        if kind == SECTION:
            order, links = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">", []
        size = struct.unpack_from(order + "I", data, at + 4)[0]
        if size < 12:
            return
        if kind == INTERFACE:
            links.append(struct.unpack_from(order + "H", data, at + 8)[0])
        elif kind == ENHANCED:
            interface, captured = struct.unpack_from(order + "I8xI", data, at + 8)
            if interface < len(links):
                yield links[interface], data[at + 28 : at + min(28 + captured, size - 4)]
        elif kind == SIMPLE and links:
            yield links[0], data[at + 12 : at + size - 4]
        at += size


def _packet(link: int, frame: bytes) -> Packet | None:
    """The TCP or UDP in a frame; None when there is none."""
    if link == 1:  # Ethernet
        at = 12
        while int.from_bytes(frame[at : at + 2], "big") in VLAN:
            at += 4
        at += 2
    elif (at := {0: 4, 12: 0, 14: 0, 101: 0, 108: 4, 113: 16, 228: 0, 229: 0, 276: 20}.get(link, -1)) < 0:
        return None
    version = frame[at] >> 4 if at < len(frame) else 0
    if version == 4 and len(frame) >= at + 20:
        if int.from_bytes(frame[at + 6 : at + 8], "big") & 0x3FFF:  # a fragment
            return None
        protocol, body = frame[at + 9], at + 4 * (frame[at] & 0x0F)
        end = at + int.from_bytes(frame[at + 2 : at + 4], "big")
        source, target = (".".join(map(str, frame[at + place : at + place + 4])) for place in (12, 16))
    elif version == 6 and len(frame) >= at + 40:
        protocol, body = frame[at + 6], at + 40
        end = body + int.from_bytes(frame[at + 4 : at + 6], "big")
        source, target = (f"[{frame[at + place : at + place + 16].hex(':', 2)}]" for place in (8, 24))
    else:
        return None
    if len(frame) < body + 8:
        return None
    source_port, port = struct.unpack_from(">HH", frame, body)
    if protocol == UDP:
        return Packet((source, source_port, target, port, True), 0, False, frame[body + 8 : end])
    if protocol != TCP or len(frame) < body + 20:
        return None
    number, starts = struct.unpack_from(">I", frame, body + 4)[0], bool(frame[body + 13] & 0x02)
    return Packet((source, source_port, target, port, False), number, starts, frame[body + 4 * (frame[body + 12] >> 4) : end])
