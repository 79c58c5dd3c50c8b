"""Frames of JT/T 808 to columns: positions as one array, other messages one by one.

A position is `HEAD`, 28 bytes, and items behind it (`items.py`). All heads of a batch are read at once, and so are the items of
all positions that have the same ones, as a fleet's have, if each is one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.columns import ALARM_BIT, Columns, Times
from protocols.frames import ANSWER, Frame
from protocols.jt808.items import CHARGING, PLAIN, fixed_tail, read_items, walks
from protocols.jt808.makers import AOVX
from protocols.jt808.messages import MESSAGES
from protocols.jt808.told import Told
from protocols.reports import CantRead, Report, columns_of, encoded
from protocols.session import Decoded, Unreadable

NAN = float("nan")
EAST = np.timedelta64(8 * 3600 * 1000, "ms")  # trackers keep Beijing's time, wherever they are
HEAD = np.dtype(
    [
        ("alarms", ">u4"),
        ("status", ">u4"),
        ("latitude", ">u4"),  # 1e-6 degree; status says which half
        ("longitude", ">u4"),
        ("altitude_m", ">i2"),
        ("speed", ">u2"),  # 0.1 km/h
        ("course_deg", ">u2"),
        ("time", "u1", (6,)),  # YYMMDDhhmmss in BCD, Beijing's time
    ]
)
HEAD_BYTES = HEAD.itemsize
IGNITION, FIXED, SOUTH, WEST, BLOCKED, CHARGE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 10, 1 << 26  # of the status

ALARM_BITS: dict[int, str] = {  # the standard's bits; 16 and above 22 as makers use them
    0: "sos", 1: "overspeed", 2: "fatigueDriving", 4: "fault", 5: "gpsAntennaCut", 6: "gpsAntennaCut", 7: "lowBattery",
    8: "powerOff", 9: "fault", 10: "fault", 11: "fault", 15: "vibration", 16: "tampering", 17: "tampering", 18: "lowBattery",
    19: "parking", 20: "geofence", 26: "general", 28: "movement", 29: "accident", 30: "accident",
}  # fmt: skip
SPARSE = ("odometer_m", "gsm", "satellites", "power_v", "battery_v", "battery_percent", "fuel_l", "motion", "ignition")
STATUS_WORDS: tuple[dict[str, Any], ...] = tuple(
    {"blocked": bool(place & 1), "charge": bool(place & 2)} | ({"archive": True} if place & 4 else {}) for place in range(8)
)
FEWEST_ALIKE = 8  # below that reading them one by one is faster
UNLIKE_BYTES = 18  # so long is also a tail that holds no items
LONGEST_NUMBER_BYTES = 8
STATUS_JSON = tuple(encoded(words) for words in STATUS_WORDS)


def decode(frames: Sequence[Frame]) -> Decoded:
    """One row per position, and per message that holds telemetry alone."""
    heads: list[bytes] = []
    tails: list[bytes] = []
    places: list[int] = []
    late: list[int] = []  # rows that were sent before, or could not be
    reports: list[Report] = []
    told_in: list[int] = []
    unreadable: list[Unreadable] = []
    for place, frame in enumerate(frames):
        kind, body = frame.kind, frame.payload
        if kind == "location":
            if len(body) < HEAD_BYTES:
                unreadable.append(Unreadable(place, "a position has at least 28 bytes"))
                continue
            heads.append(body[:HEAD_BYTES])
            tails.append(body[HEAD_BYTES:])
            places.append(place)
        elif kind != ANSWER:
            try:
                if kind in BATCHES:
                    records, archive, wrong = BATCHES[kind](body)
                    if archive:
                        late.extend(range(len(heads), len(heads) + len(records)))
                    heads.extend(record[:HEAD_BYTES] for record in records)
                    tails.extend(record[HEAD_BYTES:] for record in records)
                    places.extend([place] * len(records))
                    if wrong:
                        unreadable.append(Unreadable(place, wrong))
                if kind in MESSAGES:
                    reports.extend(MESSAGES[kind](frame))
            except (ValueError, IndexError, OverflowError) as error:
                unreadable.append(Unreadable(place, str(error)[:200]))
            told_in.extend([place] * (len(reports) - len(told_in)))
    parts = [part for part in (_positions(heads, tails, places, late), columns_of(reports, told_in)) if len(part)]
    return Decoded(Columns.concat(parts).in_frame_order(), unreadable)


Records = tuple[list[bytes], bool, str]  # positions, whether they are from memory, what is wrong with the one behind them


def _long_batch(body: bytes) -> Records:
    """count u16 | 0 as they came, 1 from memory | records, each with a length u16"""
    if len(body) < 3:
        raise CantRead("a batch has a count and a kind")
    return _records(body, 3, 2, archive=body[2] > 0)


def _short_batch(body: bytes) -> Records:
    """Records, each with a length u8; seven bytes are a battery and a time instead."""
    return _records(b"" if len(body) == 7 else body, 0, 1, archive=False)


def _answer(body: bytes) -> Records:
    """serial u16 | position"""
    if len(body) < 2 + HEAD_BYTES:
        raise CantRead("a position has at least 28 bytes")
    return [body[2:]], False, ""


BATCHES = {"batch": _long_batch, "short batch": _short_batch, "location asked for": _answer, "location after control": _answer}


def _records(body: bytes, at: int, width: int, *, archive: bool) -> Records:
    """A record that can't be cut out costs itself and those behind it: nobody knows where they begin."""
    records: list[bytes] = []
    while at + width < len(body):
        start, size = at + width, int.from_bytes(body[at : at + width], "big")
        if start + size > len(body) or size < HEAD_BYTES:
            return records, archive, f"record {len(records) + 1} of the batch has {size} bytes, {len(body) - start} are left"
        records.append(body[start : start + size])
        at = start + size
    return records, archive, ""


def _positions(heads: list[bytes], tails: list[bytes], places: list[int], late: list[int]) -> Columns:
    rows = len(heads)
    if not rows:
        return Columns.empty()
    wire = np.frombuffer(b"".join(heads), HEAD)
    status = wire["status"].astype(np.uint32)
    flags = (status >> 10 & 1) | (status >> 25 & 2)
    flags[late] |= 4
    sparse = {name: np.full(rows, NAN) for name in SPARSE}
    sparse["ignition"] = (status & IGNITION).astype(np.float64)
    odd: list[tuple[int, Told]] = []
    for row in _alike(tails, sparse):
        told = _plain(tails[row], row, sparse)
        if told is not None:
            odd.append((row, told))
            for name, value in told.numbers.items():
                sparse[name][row] = value
    charging = sparse["battery_percent"] == CHARGING
    sparse["battery_percent"][charging] = NAN
    words = (flags | charging << 1).tolist()
    attributes = [STATUS_JSON[word] for word in words]
    alarms = _alarms(wire["alarms"])
    for row, told in odd:
        own = told.attributes
        if (told.around.cells or told.around.wifi) and not int(status[row]) & FIXED:
            own |= told.around.network()
        attributes[row] = encoded(STATUS_WORDS[words[row]] | own)
        if told.alarms or told.model:
            alarms[row] = _corrected(int(alarms[row]), int(wire["alarms"][row]), told)
    latitude = wire["latitude"] * 1e-6
    longitude = wire["longitude"] * 1e-6
    nowhere = (latitude > 90) | (longitude > 180)
    latitude[nowhere] = longitude[nowhere] = NAN
    columns: dict[str, Any] = {name: values for name, values in sparse.items() if not np.isnan(values).all()}
    return Columns.of(
        rows,
        frame=places,
        time=beijing(wire["time"]),
        valid=(status & FIXED != 0) & ~nowhere,
        latitude=np.where(status & SOUTH, -latitude, latitude),
        longitude=np.where(status & WEST, -longitude, longitude),
        altitude_m=wire["altitude_m"],
        speed_kmh=wire["speed"] * 0.1,
        course_deg=wire["course_deg"],
        alarms=alarms,
        attributes=attributes,
        **columns,
    )


def _alike(tails: list[bytes], sparse: dict[str, NDArray[np.float64]]) -> list[int]:
    """Read those that have the same items as the first one of their length. The others, for `_plain`."""
    groups: dict[int, list[int]] = {}
    for row, tail in enumerate(tails):
        groups.setdefault(len(tail), []).append(row)
    left: list[int] = []
    for size, group in groups.items():
        marks, items = _layout(tails[group[0]]) if len(group) >= FEWEST_ALIKE else ([], [])
        if not items:
            left += group
            continue
        wire = np.frombuffer(b"".join([tails[row] for row in group]), np.uint8).reshape(-1, size)
        same = (wire[:, marks] == wire[0, marks]).all(axis=1)
        rows = np.array(group)
        left += rows[~same].tolist()
        rows, wire = rows[same], wire[same]
        for name, factor, start, end in items:
            number = np.zeros(len(rows), np.uint64)
            for at in range(start, end):
                number = number << np.uint64(8) | wire[:, at]
            sparse[name][rows] = number.astype(np.float64) * factor
    return sorted(left)


def _layout(tail: bytes) -> tuple[list[int], list[tuple[str, float, int, int]]]:
    """Where kinds and lengths of the items stand, and the items as column, factor, begin and end; none when one is no number."""
    marks: list[int] = []
    items: list[tuple[str, float, int, int]] = []
    at, size = 0, len(tail)
    while at < size - 1 and size != UNLIKE_BYTES:
        marks += (at, at + 1)
        plain, end = PLAIN.get(tail[at : at + 2]), at + 2 + tail[at + 1]
        if end > size:
            break
        if plain is None or end > at + 2 + LONGEST_NUMBER_BYTES:
            return [], []
        items.append((plain[0], plain[1], at + 2, end))
        at = end
    return marks, items


def _plain(tail: bytes, row: int, sparse: dict[str, NDArray[np.float64]]) -> Told | None:
    """Items that are one number go into their column; from the first other on, all are Told."""
    size, at = len(tail), 0
    if size == UNLIKE_BYTES and not walks(tail):
        told = Told()
        fixed_tail(tail, told)
        return told
    while at < size - 1:
        plain = PLAIN.get(tail[at : at + 2])
        end = at + 2 + tail[at + 1]
        if end > size:
            return None
        if plain is None:
            told = Told()
            read_items(tail, at, told)
            return told
        sparse[plain[0]][row] = int.from_bytes(tail[at + 2 : end], "big") * plain[1]
        at = end
    return None


def _alarms(sent: NDArray[Any]) -> NDArray[np.uint64]:
    alarms = np.zeros(len(sent), np.uint64)
    if any_sent := int(np.bitwise_or.reduce(sent)):
        bits = sent.astype(np.uint64)
        for bit, name in ALARM_BITS.items():
            if any_sent >> bit & 1:
                alarms |= (bits >> np.uint64(bit) & np.uint64(1)) * np.uint64(ALARM_BIT[name])
    return alarms


def _corrected(alarms: int, sent: int, told: Told) -> int:
    """The items' alarms as well; AOVX's models mean other things by some bits."""
    if told.model in AOVX:
        alarms = ALARM_BIT["movement"] if sent >> 16 & 1 else 0
    elif told.model == "VL300":
        alarms &= ~ALARM_BIT["accident"]
    return alarms | told.alarms


def beijing(digits: NDArray[np.uint8]) -> Times:
    """Rows of six BCD bytes as UTC; NaT where no clock shows that."""
    tens, ones = digits >> 4, digits & 15
    value = (tens * 10 + ones).astype(np.int64)
    year, month, day, hour, minute, second = value.T
    months = ((30 + year) * 12 + month - 1).astype("M8[M]")
    days = months.astype("M8[D]") + (day - 1).astype("m8[D]")
    right = ((tens <= 9) & (ones <= 9)).all(axis=1)
    right &= (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("M8[M]") == months)
    right &= (hour < 24) & (minute < 60) & (second < 60)
    time: Times = days.astype("M8[ms]") + ((hour * 60 + minute) * 60_000 + second * 1000).astype("m8[ms]") - EAST
    time[~right] = np.datetime64("NaT", "ms")
    return time
