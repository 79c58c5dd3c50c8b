"""Records of Codec 8, 8 Extended and 16, read as arrays.

```
              Codec 8     8 Extended   16
time ms       u64         u64          u64      since 1970, UTC
priority      u8          u8           u8       0 low, 1 high, 2 panic
longitude     i32         i32          i32      1e-7 degree, east is positive
latitude      i32         i32          i32      1e-7 degree, north is positive
altitude      i16         i16          i16      m
course        u16         u16          u16      degrees
satellites    u8          u8           u8       0: no fix; longitude, latitude and altitude are then those of the last fix, or 0
speed         u16         u16          u16      km/h
event         u8          u16          u16      id of the element that made the tracker send this; 0: it was time to
generation    -           -            u8       0 on exit, 1 on entrance, 2 both, 4 hysteresis, 5 change, 6 eventual, 7 periodical
elements      u8          u16          u8       how many in all
n1            u8          u16          u8       how many of 1 byte, then as many: id, value u8
              id u8       id u16       id u16
n2, n4, n8    the same with values of 2, 4 and 8 bytes
n16           in some FM4 the same with values of 16 bytes; nothing says so but the packet's length
nx            -           u16          -        how many of any length, then as many: id u16, length u16, value
```
A record's length depends on its ids, but a tracker sends the same ids for days. So a record is seen as fixed bytes (counts and
ids: its layout) and values at fixed places: the layout becomes a numpy dtype, made once, and all records of the same layout, of
whatever packets and trackers, are read by it together. In the usual packet all records have the layout of the first one; packets
of the same length are compared with that in one go (`_read_alike`). Any other packet is walked record by record, a few slices
each, to find its layouts. Elements of any length ("nx") are read one by one (`beacons`) and join the rest as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocols.teltonika.beacons import text_of
from protocols.teltonika.elements import Element, element
from protocols.teltonika.rows import CantRead, Rows

GPS_ELEMENT: tuple[tuple[str, str], ...] = (  # as on the wire, with the record's head
    ("time_ms", ">u8"),
    ("priority", "u1"),
    ("longitude", ">i4"),
    ("latitude", ">i4"),
    ("altitude_m", ">i2"),
    ("course_deg", ">u2"),
    ("satellites", "u1"),
    ("speed_kmh", ">u2"),
)
LAST_TIME_MS = 253402300799999  # 9999-12-31; what is later is no time, and beyond what a datetime can hold
MOST_ELEMENTS = 255  # as many as Codec 8 can count. Beyond this a record is made up, and its dtype would cost too much
LAYOUTS = 512  # kept: a layout of 255 elements takes 0.1 MB, the usual one 5 kB
ROUNDS = 8  # how many first packets to compare the others of the same length with before each is walked
ROWS_PER_TEXT = 2048  # attributes written in one go; more doesn't get faster, only bigger


class Shape(NamedTuple):
    """What tells one codec's records from another's."""

    head_bytes: int  # of what stands before the first count
    id_bytes: int
    count_bytes: int
    sizes: tuple[int, ...]
    generation: bool = False
    any_size: bool = False


SHAPES: dict[int, tuple[Shape, ...]] = {  # by codec; where there are two, the first that fits the packet's length
    0x08: (Shape(26, 1, 1, (1, 2, 4, 8)), Shape(26, 1, 1, (1, 2, 4, 8, 16))),
    0x8E: (Shape(28, 2, 2, (1, 2, 4, 8), any_size=True),),
    0x10: (Shape(28, 2, 1, (1, 2, 4, 8), generation=True),),
}


class Value(NamedTuple):
    """One element of a layout."""

    field: str  # of the dtype
    size: int
    element: Element


@dataclass(frozen=True, slots=True)
class Layout:
    """All records that have the same ids in the same order."""

    dtype: np.dtype[Any]
    fixed: NDArray[np.uint8]  # 255 where the byte is a count or an id, 0 where it is a value
    mask: int  # the same as one big number, and what is to be found there
    found: int
    values: tuple[Value, ...]
    template: str  # of the attributes: a %-format for `written`, and one more for the elements of any size
    written: tuple[Value, ...]  # those of `values` that the template writes

    @property
    def size(self) -> int:
        return self.dtype.itemsize


class Record(NamedTuple):
    layout: Layout
    start: int
    extra: str  # JSON members for the elements of any size, each with a comma before it


def read_records(payloads: Sequence[tuple[int, bytes]], rows: Rows) -> None:
    """Read these bodies (each with the frame it came in) into rows. What can't be read is noted there."""
    groups: dict[tuple[int, bytes], list[tuple[int, bytes]]] = {}
    for frame, payload in payloads:
        groups.setdefault((len(payload), payload[:2]), []).append((frame, payload))
    odd: dict[int, _Odd] = {}
    for (_, head), group in groups.items():
        at = rounds = 0
        while at < len(group):
            frame, payload = group[at]
            try:
                records = _walk(payload)
            except CantRead as error:
                rows.cant_read(frame, str(error))
                at += 1
                continue
            if rounds < ROUNDS and records and all(r.layout is records[0].layout and not r.extra for r in records):
                group = _read_alike(records[0].layout, head[1], group[at:], rows)
                at, rounds = 0, rounds + 1
                continue
            at += 1
            rows.expect(frame, len(records))
            for place, record in enumerate(records):
                odd.setdefault(id(record.layout), _Odd(record.layout)).take(frame, place, payload, record)
    for some in odd.values():
        wire = np.frombuffer(b"".join(some.raw), some.layout.dtype)
        _add(some.layout, wire, np.array(some.frames), np.array(some.places), some.extras, rows)


class _Odd:
    """Records of one layout that were found one by one."""

    __slots__ = ("extras", "frames", "layout", "places", "raw")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.raw: list[bytes] = []
        self.frames: list[int] = []
        self.places: list[int] = []
        self.extras: list[str] = []

    def take(self, frame: int, place: int, payload: bytes, record: Record) -> None:
        self.raw.append(payload[record.start : record.start + self.layout.size])
        self.frames.append(frame)
        self.places.append(place)
        self.extras.append(record.extra)


def _read_alike(layout: Layout, count: int, group: list[tuple[int, bytes]], rows: Rows) -> list[tuple[int, bytes]]:
    """Read the packets that hold nothing but records of this layout, as the first one does. Returns the others."""
    length = len(group[0][1])
    packets = np.frombuffer(b"".join([payload for _, payload in group]), np.uint8).reshape(len(group), length)
    records = packets[:, 2:-1].reshape(len(group), count, layout.size)
    alike = ~(((records ^ records[0, 0]) & layout.fixed).any(axis=(1, 2)) | (packets[:, -1] != count))
    frames = np.array([frame for frame, _ in group])
    if not alike.all():
        records, frames = records[alike], frames[alike]
    for frame in frames.tolist():
        rows.expect(frame, count)
    wire = np.ascontiguousarray(records).reshape(-1).view(layout.dtype)
    _add(layout, wire, np.repeat(frames, count), np.tile(np.arange(count), len(frames)), None, rows)
    return [] if len(frames) == len(group) else [one for one, like in zip(group, alike.tolist(), strict=True) if not like]


def _add(
    layout: Layout, wire: NDArray[Any], frames: NDArray[Any], places: NDArray[Any], extras: list[str] | None, rows: Rows
) -> None:
    """Records of one layout become rows."""
    course = wire["course_deg"].astype("f4")
    numbers: dict[str, NDArray[Any]] = {
        "latitude": wire["latitude"] / 1e7,
        "longitude": wire["longitude"] / 1e7,
        "altitude_m": wire["altitude_m"],
        "speed_kmh": wire["speed_kmh"],
        "course_deg": np.where(course <= 360, course, np.nan),
        "satellites": wire["satellites"],
    }
    alarms = np.zeros(len(wire), "u8")
    for value in layout.values:
        what, raw = value.element, wire[value.field]
        if what.column:
            numbers[what.column] = raw != 0 if what.flag else raw * (what.times / 10**what.decimals)
        for number, bit in what.alarms.items():
            alarms |= np.where(raw == number, np.uint64(bit), np.uint64(0))
        if what.alarm_otherwise:
            alarms |= np.where(raw != 0, np.uint64(what.alarm_otherwise), np.uint64(0))
    rows.add(
        frames,
        places,
        time=np.minimum(wire["time_ms"], LAST_TIME_MS).astype("i8").view("M8[ms]"),
        valid=wire["satellites"] != 0,
        alarms=alarms,
        attributes=attributes(layout, wire, extras),
        numbers=numbers,
    )


def _walk(payload: bytes) -> list[Record]:
    """The records of a body. Raises CantRead."""
    shapes = SHAPES[payload[0]]
    for shape in shapes[:-1]:
        try:
            return _walk_as(shape, payload)
        except CantRead:
            continue
    try:
        return _walk_as(shapes[-1], payload)
    except CantRead:
        if len(shapes) == 1:
            raise
        return _walk_as(shapes[0], payload)  # for its reason: it is the usual shape


def _walk_as(shape: Shape, payload: bytes) -> list[Record]:
    count, end = payload[1], len(payload) - 1
    records: list[Record] = []
    at = 2
    for _ in range(count):
        record, at = (records and _same_again(records, payload, at)) or _find(shape, payload, at)
        if at > end:
            raise CantRead(f"record {len(records) + 1} of {count} is cut")
        records.append(record)
    if at != end:
        raise CantRead(f"{end - at} bytes behind the {count} records")
    if payload[end] != count:
        raise CantRead(f"{count} records in front, {payload[end]} behind")
    return records


def _same_again(records: list[Record], payload: bytes, at: int) -> tuple[Record, int] | None:
    """The record there, when its layout is that of the one before or of the first: quicker to see than to find."""
    for layout in (records[-1].layout, records[0].layout):
        after = at + layout.size
        if int.from_bytes(payload[at:after], "big") & layout.mask == layout.found:
            return Record(layout, at, ""), after
    return None


def _find(shape: Shape, payload: bytes, start: int) -> tuple[Record, int]:
    """The record that starts there and where it ends, which may be behind the end of the payload."""
    at, end, key = start + shape.head_bytes, len(payload) - 1, b""
    for size in shape.sizes:
        first, step = at + shape.count_bytes, shape.id_bytes + size
        count = payload[at:first]
        many = int.from_bytes(count, "big")
        at = first + many * step
        if at > end:
            raise CantRead(f"the record at byte {start} is cut")
        key += count + payload[first:at:step]
        if shape.id_bytes == 2:
            key += payload[first + 1 : at : step]
    layout = _layout(shape, key)
    many = int.from_bytes(payload[at : at + 2], "big") if shape.any_size else 0
    extra, at = _any_size(payload, at + 2 * shape.any_size, many, end) if many else ("", at + 2 * shape.any_size)
    return Record(layout, start, extra), at


def _any_size(payload: bytes, at: int, many: int, end: int) -> tuple[str, int]:
    found: list[tuple[int, bytes]] = []
    for _ in range(many):
        number, length = int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 4], "big")
        at += 4 + length
        if at > end:
            raise CantRead(f"element {number} is cut")
        found.append((number, payload[at - length : at]))
    return text_of(found), at


@lru_cache(LAYOUTS)
def _layout(shape: Shape, key: bytes) -> Layout:
    """From counts and ids, as `_walk_as` strings them together."""
    fields: list[tuple[str, Any]] = [*GPS_ELEMENT, ("event", ">u2" if shape.id_bytes == 2 else "u1")]
    fields += [("generation", "u1")] if shape.generation else []
    fields += [("elements", f"V{shape.count_bytes}")]
    fixed, found = bytearray(shape.head_bytes), bytearray(shape.head_bytes)
    values: list[Value] = []
    at = 0
    for size in shape.sizes:
        count, at = key[at : at + shape.count_bytes], at + shape.count_bytes
        many, ids = int.from_bytes(count, "big"), key[at:]
        at += many * shape.id_bytes
        if len(values) + many > MOST_ELEMENTS:
            raise CantRead("more elements than any tracker has")
        fields.append((f"n{size}", f"V{shape.count_bytes}"))
        fixed += b"\xff" * shape.count_bytes
        found += count
        for place in range(many):
            number = ids[place] << 8 | ids[many + place] if shape.id_bytes == 2 else ids[place]
            what, name = element(number, size), f"{size}.{place}"
            fields += [(f"id {name}", f"V{shape.id_bytes}"), (name, _wire_type(size, signed=what.signed))]
            fixed += b"\xff" * shape.id_bytes + bytes(size)
            found += number.to_bytes(shape.id_bytes, "big") + bytes(size)
            values.append(Value(name, size, what))
    if shape.any_size:
        fields.append(("nx", "V2"))
        fixed += b"\xff\xff"
        found += b"\0\0"
    written = {"priority": Value("priority", 1, Element("priority")), "event": Value("event", 2, Element("event"))}
    if shape.generation:
        written["generationType"] = Value("generation", 1, Element("generationType"))
    written |= {value.element.name: value for value in values if value.element.name}  # an id that comes twice counts once
    template = "{" + ",".join(_member(value) for value in written.values()).replace(",%s", "%s") + "%s}"
    return Layout(
        dtype=np.dtype(fields),
        fixed=np.frombuffer(bytes(fixed), np.uint8),
        mask=int.from_bytes(fixed, "big"),
        found=int.from_bytes(found, "big"),
        values=tuple(values),
        template=template,
        written=tuple(written.values()),
    )


def _wire_type(size: int, *, signed: bool) -> str:
    return {1: "", 2: ">", 4: ">", 8: ">"}[size] + ("i" if signed else "u") + str(size) if size < 16 else f"V{size}"


def _member(value: Value) -> str:
    """A member of the JSON object, as a %-format. Those that may be missing, or are text, bring comma and name with them."""
    what = value.element
    if value.size == 16 or what.hex_reversed or what.missing:
        return "%s"
    form = "%s" if what.flag else f"%.{what.decimals}f" if what.decimals else '"%d"' if what.text else "%d"
    return f'"{what.name}":{form}'


def attributes(layout: Layout, wire: NDArray[Any], extras: Iterable[str] | None) -> list[bytes]:
    """The attributes of these records as JSON, many in one %-format: about twice as fast as one by one."""
    columns: list[Iterable[Any]] = [_texts(value, wire[value.field]) for value in layout.written]
    columns.append([""] * len(wire) if extras is None else extras)
    told = list(zip(*columns, strict=True))
    found: list[bytes] = []
    for start in range(0, len(told), ROWS_PER_TEXT):
        some = told[start : start + ROWS_PER_TEXT]
        text = "\n".join([layout.template] * len(some)) % tuple(chain.from_iterable(some))
        found += text.encode().split(b"\n")
    return found


def _texts(value: Value, wire: NDArray[Any]) -> Iterable[Any]:
    """What the template takes for each record."""
    what = value.element
    if value.size == 16:
        return [f',"{what.name}":"{raw.tobytes().hex()}"' for raw in wire]
    if what.flag:
        return ["true" if one else "false" for one in wire.tolist()]
    if what.hex_reversed:
        return [f',"{what.name}":"{one:016X}"' if one else "" for one in wire.view("<u8").tolist()]
    if what.missing:
        form = f',"{what.name}":%.{what.decimals}f'
        return ["" if one in what.missing else form % (one / 10**what.decimals) for one in wire.tolist()]
    if what.decimals:
        scaled: list[float] = (wire / 10**what.decimals).tolist()
        return scaled
    return (wire.astype("i8") * what.times).tolist() if what.times != 1 else wire.tolist()  # type: ignore[no-any-return]
