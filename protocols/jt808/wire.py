"""JT/T 808 on the wire: marks, escapes, checksum, header and the tracker's number."""

from __future__ import annotations

from typing import NamedTuple

MARK, OTHER_MARK = 0x7E, 0xE7
SHORT_SERIAL = frozenset((0x5501, 0x5502))  # Jointech's locks: one byte of serial, and properties that aren't the standard's
FRAGMENT, VERSIONED, ENCRYPTED, LENGTH = 0x2000, 0x4000, 0x1C00, 0x03FF  # bits of the properties
SHORTEST_BYTES = 14  # from the mark in front to the one behind, without a body
LONGEST_HEAD_BYTES = 22  # and the checksum


class Head(NamedTuple):
    """What stands in front of a body, as sent."""

    kind: bytes  # two bytes
    properties: int
    version: bytes  # one byte since 2019, else none
    phone: bytes  # the tracker's number: 6 bytes, 10 with a version, 7 behind the other mark
    serial: bytes  # two bytes; one in Jointech's
    total: int  # fragments of the message, 0: it is whole
    part: int  # from 1 on
    size: int  # of the header itself


def unescaped(message: bytes) -> bytes:
    """Header, body and checksum of a message with its marks."""
    inner = message[1:-1]
    if message[0] == MARK:
        if b"\x7d" in inner:
            return inner.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
        return inner
    if b"\xe6" in inner:
        inner = inner.replace(b"\xe6\x02", b"\xe7").replace(b"\xe6\x01", b"\xe6")
    if b"\x3e" in inner:
        inner = inner.replace(b"\x3e\x02", b"\x3d").replace(b"\x3e\x01", b"\x3e")
    return inner


def escaped(content: bytes, mark: int = MARK) -> bytes:
    """Header and body with checksum, escapes and marks."""
    content += bytes((xor(content),))
    if mark == MARK:
        if b"\x7d" in content or b"\x7e" in content:
            content = content.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")
        return b"\x7e" + content + b"\x7e"
    content = content.replace(b"\x3e", b"\x3e\x01").replace(b"\x3d", b"\x3e\x02")
    return b"\xe7" + content.replace(b"\xe6", b"\xe6\x01").replace(b"\xe7", b"\xe6\x02") + b"\xe7"


def xor(content: bytes) -> int:
    """All bytes, one by one, xor. Folding one large number costs a tenth of a loop over bytes."""
    value = int.from_bytes(content, "big")
    bits = 4 << (len(content) - 1).bit_length() if content else 0
    while bits >= 8:
        value ^= value >> bits
        bits >>= 1
    return value & 0xFF


def head_of(content: bytes, mark: int) -> Head | None:
    """The header; None: the message is too short for one. Where its length says that there is no version, the bit is one of those
    that were free before 2019."""
    if len(content) < 5:
        return None
    kind = content[:2]
    properties = content[2] << 8 | content[3]
    at, version, digits = 4, b"", 6 if mark == MARK else 7
    if properties & VERSIONED and len(content) != (properties & LENGTH) + digits + 7:
        at, version, digits = 5, content[4:5], 10
    phone = content[at : at + digits]
    at += digits
    short = (content[0] << 8 | content[1]) in SHORT_SERIAL
    end = at + (1 if short else 2)
    serial = content[at:end]
    total = part = 0
    if properties & FRAGMENT and not short:
        total, part = int.from_bytes(content[end : end + 2], "big"), int.from_bytes(content[end + 2 : end + 4], "big")
        end += 4
    if len(content) < end + 1:  # the checksum is behind the body
        return None
    return Head(kind, properties, version, phone, serial, total, part, end)


def built(kind: int, head: Head, serial: int, body: bytes, mark: int) -> bytes:
    """A message to the tracker whose own had that head."""
    properties = len(body) | (VERSIONED if head.version else 0)
    front = kind.to_bytes(2, "big") + properties.to_bytes(2, "big") + head.version + head.phone
    return escaped(front + serial.to_bytes(2, "big") + body, mark)


def unique_id(phone: bytes) -> str:
    """The number's digits; where it isn't BCD it is an IMEI without its check digit, as a 48 bit number."""
    digits = phone.hex()
    if digits.isdecimal():
        return digits
    imei = str(int.from_bytes(phone[:6], "big"))
    return imei + str(_luhn(imei))


def _luhn(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10
