"""Elements of any size (Codec 8 Extended, "NX"): texts, and the lists of Bluetooth beacons and sensors around a tracker.

```
Beacon list   part u8 | beacons                                 id 385
beacon        flags u8 | 16 bytes UUID, major u16, minor u16    flags & 20: an iBeacon
                       | 10 bytes namespace, 6 bytes instance   else: an Eddystone
              | RSSI i8 | battery u16 (flags & 02), 0.01 V | temperature u16 (flags & 04)
Sensor list   head u8 | sensors                                 ids 548, 10828, 10829, 10831, 11317
sensor        length u8 | parameters
parameter     id u8 | length u8 | value                         ids: `PARAMETERS`
Source        Teltonika wiki, "Advanced Bluetooth", "EYE SENSOR / BTSMP1"; Traccar 6 for names
```
Names are Traccar's, where it has one; temperatures are in °C (Traccar keeps the sensor's hundredths). What doesn't fit its layout
stays in the attributes as hex, as other elements of any size do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec


def _unsigned(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _signed(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


def _flag(raw: bytes) -> bool:
    return raw != b"\0"


def _degrees(raw: bytes) -> float:
    return _signed(raw) / 100


def _words(raw: bytes) -> str:
    """Text, without the zeros that fill it up: PostgreSQL's JSON can't hold them."""
    return raw.decode("utf-8", "replace").replace("\0", "").strip()


PARAMETERS: dict[int, tuple[str, int, Callable[[bytes], Any]]] = {  # of a sensor: name, bytes (0: any), how to read
    0: ("Rssi", 1, _signed),  # dBm
    1: ("Id", 0, bytes.hex),
    5: ("Name", 0, _words),
    6: ("Temp", 2, _degrees),
    7: ("Humidity", 1, _unsigned),  # %
    8: ("Magnet", 1, _flag),
    9: ("Motion", 1, _flag),
    10: ("MotionCount", 2, _unsigned),
    11: ("Pitch", 1, _signed),  # degrees
    12: ("AngleRoll", 2, _signed),
    13: ("LowBattery", 1, _unsigned),
    14: ("Battery", 2, _unsigned),  # mV
    15: ("Mac", 6, bytes.hex),
}


def text_of(elements: Sequence[tuple[int, bytes]]) -> str:
    """The elements (id, value) as members of a JSON object, each with a comma before it."""
    found: dict[str, Any] = {}
    for number, raw in elements:
        try:
            found |= READERS[number](raw)
        except (KeyError, IndexError):
            found[f"io{number}"] = raw.hex()
    text = msgspec.json.encode(found).decode()[1:-1]
    return f",{text}" if text else ""


def _vin(raw: bytes) -> dict[str, Any]:
    return {"vin": _words(raw)}


def _faults(raw: bytes) -> dict[str, Any]:
    return {"dtcs": _words(raw).replace(",", " ")}


def _beacons(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bytes_left = _Reader(raw)
    bytes_left.take(1)
    place = 0
    while bytes_left:
        place += 1
        flags = bytes_left.take(1)[0]
        if flags >> 4:
            found[f"beacon{place}Uuid"] = bytes_left.take(16).hex()
            found[f"beacon{place}Major"] = _unsigned(bytes_left.take(2))
            found[f"beacon{place}Minor"] = _unsigned(bytes_left.take(2))
        else:
            found[f"beacon{place}Namespace"] = bytes_left.take(10).hex()
            found[f"beacon{place}Instance"] = bytes_left.take(6).hex()
        found[f"beacon{place}Rssi"] = _signed(bytes_left.take(1))
        if flags & 2:
            found[f"beacon{place}Battery"] = _unsigned(bytes_left.take(2)) / 100
        if flags & 4:
            found[f"beacon{place}Temp"] = _unsigned(bytes_left.take(2))
    return found


def _sensors(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bytes_left = _Reader(raw)
    bytes_left.take(1)
    place = 0
    while bytes_left:
        place += 1
        sensor = _Reader(bytes_left.take(bytes_left.take(1)[0]))
        while sensor:
            number, length = sensor.take(2)
            found |= {f"tag{place}{name}": value for name, value in _parameter(number, sensor.take(length)).items()}
    return found


def _parameter(number: int, raw: bytes) -> dict[str, Any]:
    if number == 2 and raw:  # the sensor's own advertisement; of its flags these two are the tracker's business
        low = {"LowBattery": True} if raw[0] & 0x40 else {}
        return low | ({"Voltage": 2000 + 10 * raw[1]} if raw[0] & 0x80 and len(raw) > 1 else {})  # mV
    name, length, read = PARAMETERS.get(number, (f"Param{number}", 0, bytes.hex))
    return {name: read(raw)} if not length or len(raw) == length else {f"Param{number}": raw.hex()}


class _Reader:
    """Bytes taken from the front. Raises IndexError when there are not as many."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = raw, 0

    def take(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._raw):
            raise IndexError
        return self._raw[self._at - count : self._at]

    def __bool__(self) -> bool:
        return self._at < len(self._raw)


READERS: dict[int, Callable[[bytes], dict[str, Any]]] = {
    256: _vin,
    325: _vin,  # of the CAN adapter
    281: _faults,
    385: _beacons,
    548: _sensors,
    10828: _sensors,
    10829: _sensors,
    10831: _sensors,
    11317: _sensors,
}
