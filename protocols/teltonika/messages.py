"""Codec 12 to 15: answers to commands, and what a tracker hears on its serial port.

```
Message   type u8 | length u32 | data       type: 06 answer, 0B serial port, 0D camera, 11 "that IMEI is not mine"
data      of 12: text
          of 13: time u32, seconds since 1970 | text
          of 14: IMEI, 8 bytes of two digits | text
          of 15: time u32 | IMEI, 8 bytes | text
          of a camera (type 0D): 01 | photo id u32 | bytes u32 | …: it offers a photo
Source    Teltonika wiki, "Teltonika Data Sending Protocols", Codec 12 to 15; Traccar 6 for the camera, GTSL and axle scales
```
Such a message is telemetry alone: it has no place, and only Codec 13 and 15 have a time. The server has to answer none of them.
"""

from __future__ import annotations

import re
from typing import Any

from protocols.teltonika.rows import CantRead, Report

CAMERA, NOT_MINE = 0x0D, 0x11
PHOTO_OFFER = 0x01
TIMED, NAMED = frozenset((0x0D, 0x0F)), frozenset((0x0E, 0x0F))  # codecs
AXLES = re.compile(r"UUUUww((?:\d{1,6}(?:\.\d{1,6})?;){12})SSS")  # a scale: eight axles and four sums, in tonnes
AXLE_NAMES = (*(f"axle{number}" for number in range(1, 9)), "loadTruck", "loadTrailer", "totalTruck", "totalTrailer")
DRIVER = re.compile(r"GTSL\|[^|]*\|[^|]*\|[^|]*\|([^|]{1,64})(?:\|.*)?", re.DOTALL)  # a card reader's line


def read_messages(payload: bytes) -> list[Report]:
    """The messages of a body. Raises CantRead."""
    codec, count, end = payload[0], payload[1], len(payload) - 1
    reports, at = [], 2
    for number in range(1, count + 1):
        kind, start = payload[at], at + 5
        at = start + int.from_bytes(payload[at + 1 : start], "big")
        if at > end:
            raise CantRead(f"message {number} of {count} is cut")
        report = _camera(payload[start:at]) if kind == CAMERA and codec == 0x0C else _text(codec, kind, payload[start:at])
        if report:
            reports.append(report)
    if at != end or payload[end] != count:
        raise CantRead(f"more or less than the {count} messages it says")
    return reports


def _camera(data: bytes) -> Report | None:
    """None when there is nothing to tell: only an offer says something, and photos come only to who asks for them."""
    if data[:1] != bytes([PHOTO_OFFER]) or len(data) < 9:
        return None
    photo, size = int.from_bytes(data[1:5], "big"), int.from_bytes(data[5:9], "big")
    return Report({"type": CAMERA, "photoId": photo, "photoBytes": size})


def _text(codec: int, kind: int, data: bytes) -> Report:
    at = 4 * (codec in TIMED) + 8 * (codec in NAMED)
    if len(data) < at:
        raise CantRead("a message without its time or IMEI")
    time_ms = int.from_bytes(data[:4], "big") * 1000 if codec in TIMED else None
    attributes: dict[str, Any] = {"type": kind}
    return Report(attributes | ({"result": "not mine"} if kind == NOT_MINE else _result(data[at:])), time_ms=time_ms)


def _result(data: bytes) -> dict[str, Any]:
    if any(byte not in b"\t\r\n" and not 32 <= byte < 127 for byte in data):
        return {"result": data.hex()}
    text = data.decode("ascii").strip()
    if found := AXLES.fullmatch(text):
        return dict(zip(AXLE_NAMES, map(float, found[1].split(";")), strict=False))
    if found := DRIVER.fullmatch(text):
        return {"driverUniqueId": found[1]}
    return {"result": text}
