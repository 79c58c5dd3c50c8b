"""Messages of an MQTT broker that are no other protocol's: JSON by our own names, and Teltonika's.

Ours    {"id": …, "time": …, "latitude": …, …}, or a list of such
        id               the tracker's unique id, where the topic doesn't say it
        time             seconds or milliseconds since 1970, or ISO 8601; UTC where no zone is given; none: the time of arrival
        latitude …       the columns by their names (`columns.NUMBERS`), with their units: speed_kmh, power_v, odometer_m
        valid            whether the tracker vouches for the place; none: it does
        alarm            Traccar's names, "," between them
        attributes       an object of all the rest, by Traccar's names where it has one; other names of the message go there too
Theirs  {"state": {"reported": {…}}}, published to IMEI/data by FMB, FMC, FMM and FMT
        ts               milliseconds since 1970
        latlng           "latitude,longitude", degrees; sat satellites, 0: no fix
        alt metres · ang degrees · sp km/h · pr priority · evt what made it send
        numbers          AVL ids: raw values, in decimal or as "0x…", without the size that a packet would tell
Source  Teltonika wiki, "Getting Started with AWS IoT Core" and "Teltonika Data Sending Parameters ID"

There is no port: `telematics.mqtt` takes the messages from the broker, and puts a message with other names into ours by the field
map of the settings. Frames are those of `http.py`: the reports as JSON, so that they are whole in themselves.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec

from protocols import flespi, http, owntracks
from protocols.columns import ALARM_BIT, FLAGS, NUMBERS
from protocols.errors import BadFrame
from protocols.fields import KMH_PER_KNOT, KMH_PER_MPH, KMH_PER_MPS, M_PER_MILE
from protocols.frames import Frame
from protocols.http import decode, payload
from protocols.reports import NAN, CantRead, Report
from protocols.session import Codec, Received
from protocols.teltonika.elements import ELEMENTS, Element

LARGEST_BYTES = 128 << 10  # as large as a message of AWS IoT, and some 500 reports
MOST = 4_000  # reports in a message: as many with a place as have room in it; of emptier ones each costs as much to store
DEEPEST = 8  # objects within objects, of an attribute
LAST_SECOND = 10**11  # a larger time counts milliseconds
COLUMNS = frozenset(name for name, _ in NUMBERS)

UNITS: dict[str, dict[str, float]] = {  # by the end of a column's name: what one of each unit is there
    "kmh": {"km/h": 1, "m/s": KMH_PER_MPS, "mph": KMH_PER_MPH, "knots": KMH_PER_KNOT},
    "m": {"m": 1, "km": 1000, "ft": 0.3048, "mi": M_PER_MILE},
    "v": {"V": 1, "mV": 0.001},
    "percent": {"%": 1, "ratio": 100},
    "l": {"l": 1, "gal": 3.785411784},
    "s": {"s": 1, "ms": 0.001, "min": 60, "h": 3600},
}


def units_of(name: str) -> dict[str, float]:
    """The units that a column's values may come in, each with its factor; none: it has no unit, or is no column."""
    return UNITS.get(name.rpartition("_")[2], {}) if name in COLUMNS else {}


# --- Ours --------------------------------------------------------------------------------------------------------------------


def parse(data: bytes) -> list[Any]:
    """The messages in a payload: a list, or one that stands alone. Raises CantRead."""
    try:
        root = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise CantRead(f"no JSON: {str(error)[:100]}") from None
    if isinstance(root, list) and len(root) > MOST:
        raise CantRead(f"a message has at most {MOST} reports")
    return root if isinstance(root, list) else [root]


def identity(value: object) -> str:
    """An id as it was said. Raises CantRead."""
    return http.identity(str(value) if isinstance(value, str | int) and not isinstance(value, bool) else "")


def read_ours(message: Any) -> Report:
    """Raises CantRead for a place or time that is none; any other value that can't be read is kept as an attribute."""
    if not isinstance(message, dict):
        raise CantRead("a message is a JSON object")
    report = Report(attributes={})
    for name, value in message.items():
        if value is None or name in ("id", "valid"):
            continue
        if name == "time":
            report.time_ms = time_ms(value)
        elif name == "alarm":
            _alarms(report, value)
        elif name == "attributes" and isinstance(value, dict):
            report.attributes.update({key: _bounded(inner) for key, inner in value.items() if inner is not None})
        elif name not in COLUMNS:
            report.attributes[name] = _bounded(value)
        elif (number := number_of(value)) == number:
            setattr(report, name, float(number != 0) if name in FLAGS else number)
        elif name not in ("latitude", "longitude"):
            report.attributes[name] = _bounded(value)
    _placed(report, message)
    return report


def _placed(report: Report, message: dict[str, Any]) -> None:
    said = [message.get(name) is not None for name in ("latitude", "longitude")]
    if any(said) and not (abs(report.latitude) <= 90 and abs(report.longitude) <= 180):
        raise CantRead(f"no place: {str(message.get('latitude'))[:30]}, {str(message.get('longitude'))[:30]}")
    report.valid = all(said) and message.get("valid") in (None, True, 1, "true", "1")


def time_ms(value: object) -> int:
    """Milliseconds since 1970. Raises CantRead."""
    if (number := number_of(value)) == number:
        moment = number * 1000 if number < LAST_SECOND else number
    else:
        try:
            said = datetime.fromisoformat(str(value))
            moment = (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp() * 1000
        except (ValueError, OverflowError):
            raise CantRead(f"no time: {str(value)[:40]}") from None
    if not 0 <= moment < 253402300800000:
        raise CantRead(f"no time: {str(value)[:40]}")
    return round(moment)


def _alarms(report: Report, value: object) -> None:
    names = str(value).split(",") if isinstance(value, str) else []
    if names and all(name in ALARM_BIT for name in names):
        for name in names:
            report.alarm(name)
    else:
        report.attributes["alarm"] = _bounded(value)


def number_of(value: object) -> float:
    """As a number, also when it was written as text; NaN: it is none."""
    if not isinstance(value, str | int | float):
        return NAN
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return float(value.lower() == "true")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return NAN
    return number if isfinite(number) else NAN


def _bounded(value: Any, depth: int = 0) -> Any:
    """The same, if it isn't nested too deep. Raises CantRead."""
    if depth > DEEPEST:
        raise CantRead(f"an attribute is nested deeper than {DEEPEST}")
    if isinstance(value, dict):
        return {name: _bounded(inner, depth + 1) for name, inner in value.items()}
    return [_bounded(inner, depth + 1) for inner in value] if isinstance(value, list) else value


# --- Theirs ------------------------------------------------------------------------------------------------------------------

HEAD: dict[str, str] = {"alt": "altitude_m", "ang": "course_deg", "sat": "satellites", "sp": "speed_kmh"}
NAMES: dict[str, str] = {"pr": "priority", "evt": "event"}
_SIZES: dict[int, dict[int, Element]] = {}  # by AVL id
for (_avl_id, _size), _meaning in sorted(ELEMENTS.items()):
    _SIZES.setdefault(_avl_id, {})[_size] = _meaning


def read_theirs(message: Any) -> Report:
    """Raises CantRead."""
    reported = _reported(message)
    if reported is None:
        raise CantRead("no state.reported of a tracker")
    report = Report(attributes={})
    if reported.get("ts") is not None:
        report.time_ms = time_ms(reported["ts"])
    for name, value in reported.items():
        if name.isascii() and name.isdecimal() and len(name) <= 5:
            _element_into(report, int(name), value)
        elif name in HEAD and (number := number_of(value)) == number:
            setattr(report, HEAD[name], number)
        elif name not in ("ts", "latlng") and value is not None:
            report.attributes[NAMES.get(name, name)] = _bounded(value)
    _latlng(report, reported.get("latlng"))
    return report


def _reported(message: Any) -> dict[str, Any] | None:
    """The report, as it is or as AWS' shadows wrap it."""
    for name in ("state", "reported"):
        if isinstance(message, dict) and isinstance(message.get(name), dict):
            message = message[name]
    return message if isinstance(message, dict) and ("ts" in message or "latlng" in message) else None


def _latlng(report: Report, said: object) -> None:
    if said is None:
        return
    latitude, comma, longitude = str(said).partition(",")
    report.latitude, report.longitude = number_of(latitude), number_of(longitude)
    if not (comma and abs(report.latitude) <= 90 and abs(report.longitude) <= 180):
        raise CantRead(f"no latlng: {str(said)[:40]}")
    report.valid = report.satellites != 0  # one that doesn't say how many there are has a fix, or it would have no place


def _element_into(report: Report, number: int, said: object) -> None:
    """One IO element, read as the binary codecs read it."""
    raw = _raw(said)
    if raw is None:
        report.attributes[f"io{number}"] = _bounded(said)
        return
    what = _element(number, raw)
    for value, bit in what.alarms.items():
        report.alarms |= bit if raw == value else 0
    if raw:
        report.alarms |= what.alarm_otherwise
    if what.column:
        setattr(report, what.column, float(raw != 0) if what.flag else raw * what.times / 10**what.decimals)
    if what.name and raw not in what.missing and not (what.hex_reversed and not raw):
        report.attributes[what.name] = _told(what, raw)


def _raw(said: object) -> int | None:
    """A whole number, in decimal or hex; None: it is none of 64 bits."""
    try:
        raw = int(said, 16 if said[:2].lower() == "0x" else 10) if isinstance(said, str) and len(said) <= 24 else said
    except ValueError:
        return None
    return int(raw) if isinstance(raw, int) and -(2**63) <= raw < 2**64 else None


def _element(number: int, raw: int) -> Element:
    """Of those that the id may mean, the smallest that has room for the value: JSON doesn't tell the size."""
    sizes = _SIZES.get(number, {})
    return next((element for size, element in sizes.items() if raw < 256**size), Element(f"io{number}"))


def _told(what: Element, raw: int) -> Any:
    if what.flag:
        return raw != 0
    if what.hex_reversed:
        return f"{int.from_bytes((raw % 2**64).to_bytes(8, 'big'), 'little'):016X}"
    if what.text:
        return str(raw)
    return raw * what.times / 10**what.decimals if what.decimals else raw * what.times


# --- Codec -------------------------------------------------------------------------------------------------------------------

Said = list[tuple[str, list[Report]]]  # whose reports, and the reports; without a name: the topic says whose


def read_json(messages: list[Any]) -> Said:
    """Ours; each tracker's in the order in which they first speak. Raises CantRead."""
    said: dict[str, list[Report]] = {}
    for message in messages:
        report = read_ours(message)
        said.setdefault(identity(message["id"]) if "id" in message else "", []).append(report)
    return list(said.items())


def read_teltonika(messages: list[Any]) -> Said:
    """Theirs. Raises CantRead."""
    return [("", [read_theirs(message) for message in messages])]


def read_any(data: bytes) -> Said:
    """Whatever a broker may have given us, told apart by its looks: dead letters don't keep the topic. Raises CantRead."""
    messages = parse(data)
    first = messages[0] if messages else None
    if isinstance(first, dict) and "_type" in first:
        tracker, reports = owntracks.read_message(data)
        return [(tracker or "", reports)]
    if isinstance(first, dict) and "ident" in first:
        return [(tracker, list(reports)) for tracker, reports in flespi.read_messages(data)]
    return read_teltonika(messages) if _reported(first) is not None else read_json(messages)


class Session:
    """One message after the other, each whole, as the broker gave it."""

    def __init__(self) -> None:
        self._said: deque[tuple[str, Frame]] = deque()

    def receive(self, data: bytes) -> Received:
        try:
            said = [(tracker and identity(tracker), Frame("location", payload(reports))) for tracker, reports in read_any(data)]
        except CantRead as error:
            return Received(rejects=[BadFrame(str(error), data)])
        self._said.extend(said)
        return self._next([])

    def admit(self, known: bool) -> Received:
        frames = [self._said.popleft()[1]] if self._said else []
        return self._next(frames if known else [])

    def _next(self, frames: list[Frame]) -> Received:
        while self._said and not self._said[0][0]:
            frames.append(self._said.popleft()[1])
        return Received(frames=frames, login=self._said[0][0] if self._said else None)


CODEC = Codec(
    name="mqtt",
    port=0,  # none: messages come by way of a broker
    transports=(),
    largest_frame_bytes=LARGEST_BYTES,
    session=Session,
    datagram=None,
    decode=decode,
    makers="whatever publishes JSON to an MQTT broker, see mqtt.md; Teltonika's trackers that do",
    source="docs/mqtt.md; Teltonika wiki: Getting Started with AWS IoT Core",
    models="FMB1xx, FMC1xx, FMM1xx, FMT100 with MQTT firmware",
    reads="all columns by our names, any other by a field map; of Teltonika all IO elements",
)
