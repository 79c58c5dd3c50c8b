"""OsmAnd's live tracking and Traccar Client: HTTP requests, one or more reports each.

Query   GET /?id=…&lat=…&lon=…, or POST with the same as a form; every name may come in any order, and empty means not sent
        id, deviceid     the tracker's unique id, the only one that must be there
        timestamp        seconds or milliseconds since 1970, ISO 8601, or "yyyy-MM-dd HH:mm:ss"; UTC where no zone is given
        lat, lon         degrees; or location=lat,lon; without them the request is telemetry alone
        valid            true, 1: the place is good (the default); anything else: it is not
        speed            knots
        bearing, heading degrees; altitude metres; accuracy metres; batt percent
        cell             mcc,mnc,lac,cell[,signal], once per cell; wifi mac,signal, once per access point
        alarm            Traccar's names, "," between them
        the rest         columns and attributes by Traccar's names, typed by their looks, but driverUniqueId, which is text
JSON    {"device_id": …, "location": {…}}, or a list of either; sent by Traccar Client since 9.0
        timestamp        ISO 8601, or milliseconds
        coords           latitude, longitude degrees; accuracy, altitude metres; speed metres a second; heading degrees;
                         below 0 in speed, heading and accuracy: not known
        battery          level 0 to 1, below 0: not known; is_charging
        is_moving, odometer (metres), event, mock, activity.type, geofence, alarm, extras (any names, as in the query)
Answer  200 when stored, 404 when nobody has such a tracker, 400 and a line of text that says what to put right (no id, a wrong
        place or time; any other wrong value is kept as an attribute), 405, 413, 431 when it is not such a request at all
Source  traccar.org/osmand; Transistor Software, background geolocation, "Location" (HTTP POST schema); for what these leave
        open, the behaviour of Traccar

`http.py` has the session and what a frame looks like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from typing import Any

from protocols.columns import ALARM_BIT
from protocols.fields import KMH_PER_KNOT, KMH_PER_MPS
from protocols.http import (
    LARGEST_BODY_BYTES,
    LARGEST_HEAD_BYTES,
    Request,
    Said,
    decode,
    identity,
    json_of,
    parameters,
)
from protocols.http import Connection as HttpConnection
from protocols.reports import LAST_MS, NAN, CantRead, Report
from protocols.session import Codec

__all__ = ["CODEC", "LARGEST_BODY_BYTES", "LARGEST_HEAD_BYTES", "Connection", "read_request"]

LAST_SECOND = 2**31 - 1  # a larger timestamp counts milliseconds, as Traccar has it


# --- Requests ----------------------------------------------------------------------------------------------------------------

IDS = ("id", "deviceid", "deviceId", "device_id")


def read_request(request: Request) -> list[Said]:
    """Whose reports these are, and the reports. Raises CantRead."""
    query, body = parameters(request.query), request.body
    if body and ("json" in request.header(b"content-type").lower() or body.lstrip()[:1] in (b"{", b"[")):
        return [_read_json(query, body)]
    told = query or parameters(body)
    tracker = _tracker([value for name, value in told if name in IDS])
    return [(tracker, [_read_query(told)])]


def _tracker(names: Sequence[str]) -> str:
    """The one id in a request that may say it several times."""
    ids = {name.strip() for name in names}
    if not ids or ids == {""}:
        raise CantRead("the tracker's id is missing: send it as id=")
    if len(ids) > 1:
        raise CantRead("a request is of one tracker, this has several ids")
    return identity(ids.pop())


def _read_query(told: Sequence[tuple[str, str]]) -> Report:
    report, rest, network = Report(valid=True), Rest(), Network()
    for name, value in told:
        value = value.strip()
        if not value or name in IDS:
            continue
        if name == "timestamp":
            report.time_ms = _time(value)
        elif name == "valid":
            report.valid = value.lower() in ("true", "1")
        elif name == "location":
            latitude, _, longitude = value.partition(",")
            report.latitude, report.longitude = _latitude(latitude), _longitude(longitude)
        elif name == "cell":
            network.cell(value)
        elif name == "wifi":
            network.wifi(value)
        elif name == "driverUniqueId":
            rest.attributes[name] = value
        elif name in PLAIN:
            rest.read(report, PLAIN, name, value)
        else:
            rest.tell(report, name, _typed(value))
    network.into(rest)
    return _finished(report, rest)


def _read_json(query: Sequence[tuple[str, str]], body: bytes) -> Said:
    root = json_of(body)
    messages = root if isinstance(root, list) else [root]
    names = [value for name, value in query if name in IDS]
    reports: list[Report] = []
    for message in messages:
        if not isinstance(message, dict):
            raise CantRead("the body is no object with device_id and location")
        names += [
            str(message[name]).replace("\0", "") for name in ("device_id", "id") if isinstance(message.get(name), str | int)
        ]
        locations = message.get("location")
        for location in locations if isinstance(locations, list) else [locations]:
            if not isinstance(location, dict):
                raise CantRead("location is missing")
            reports.append(_read_location(location))
    tracker = _tracker(names)
    if not reports:
        raise CantRead("location is missing")
    return tracker, reports


def _read_location(location: dict[str, Any]) -> Report:
    report, rest = Report(valid=True), Rest()
    if (timestamp := location.get("timestamp")) is not None:
        report.time_ms = _time(str(timestamp))
    coords = location.get("coords")
    if isinstance(coords, dict):
        for name, value in coords.items():
            if value is not None and name in COORDS:
                rest.read(report, COORDS, name, value)
    elif coords is not None:
        raise CantRead("coords is no object")
    battery = location.get("battery")
    if isinstance(battery, dict):
        rest.read(report, BATTERY, "level", battery.get("level"))
        if isinstance(battery.get("is_charging"), bool):
            rest.attributes["charge"] = battery["is_charging"]
    if isinstance(activity := location.get("activity"), dict) and isinstance(activity.get("type"), str):
        rest.attributes["activity"] = activity["type"]
    for name, told in JSON_NAMES.items():
        if (value := location.get(name)) is not None:
            rest.tell(report, told, value)
    if isinstance(extras := location.get("extras"), dict):
        for name, value in extras.items():
            if value is not None and not (name == "alarm" and "alarm" in location):
                rest.tell(report, name, value)
    return _finished(report, rest)


JSON_NAMES = {
    "event": "event",
    "is_moving": "motion",
    "odometer": "odometer",
    "mock": "mock",
    "alarm": "alarm",
    "geofence": "geofence",
}


def _finished(report: Report, rest: Rest) -> Report:
    """Check what only shows at the end, and put the attributes in."""
    if (report.latitude == report.latitude) != (report.longitude == report.longitude):
        raise CantRead("latitude and longitude come together, or not at all")
    if report.latitude != report.latitude:
        report.valid = False
    report.attributes = rest.attributes
    return report


# --- Values ------------------------------------------------------------------------------------------------------------------

NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?", re.ASCII)  # "007" stays text: it may be a name
WORDS = {"true": True, "false": False}


def _typed(text: str) -> int | float | bool | str:
    if NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return WORDS.get(text, text)


def _number(name: str, value: Any, least: float, most: float, *, below: float | None = None) -> float:
    """A number in its bounds; `below`: what a smaller one means. Raises CantRead."""
    if value is None:
        return NAN
    try:
        number = NAN if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = NAN
    if not isfinite(number):
        raise CantRead(f"{name} is no number: {str(value)[:40]}")
    if below is not None and number < least:
        return below
    if not least <= number <= most:
        raise CantRead(f"{name} is out of bounds: {str(value)[:40]}")
    return number


def _latitude(value: Any) -> float:
    return _number("latitude", value, -90, 90)


def _longitude(value: Any) -> float:
    return _number("longitude", value, -180, 180)


def _altitude(value: Any) -> float:
    return _number("altitude", value, -1e6, 1e6)


def _accuracy(value: Any) -> float:
    return _number("accuracy", value, 0, 1e6, below=NAN)


def _course(value: Any) -> float:
    return _number("heading", value, 0, 360, below=NAN)


def _knots(value: Any) -> float:
    return _number("speed", value, 0, 1e5, below=NAN) * KMH_PER_KNOT


def _mps(value: Any) -> float:
    return _number("speed", value, 0, 1e5, below=NAN) * KMH_PER_MPS


def _percent(value: Any) -> float:
    return _number("batt", value, 0, 1e6, below=NAN)


def _level(value: Any) -> float:
    level = _number("level", value, 0, 1, below=NAN)
    return round(level * 100) if level == level else NAN


Reader = Callable[[Any], float]
PLAIN: dict[str, tuple[str, Reader]] = {  # of the query: where it goes, and how it is read
    "lat": ("latitude", _latitude),
    "lon": ("longitude", _longitude),
    "altitude": ("altitude_m", _altitude),
    "speed": ("speed_kmh", _knots),
    "bearing": ("course_deg", _course),
    "heading": ("course_deg", _course),
    "accuracy": ("accuracy_m", _accuracy),
    "batt": ("battery_percent", _percent),
}
COORDS: dict[str, tuple[str, Reader]] = {  # of the JSON form
    "latitude": ("latitude", _latitude),
    "longitude": ("longitude", _longitude),
    "altitude": ("altitude_m", _altitude),
    "speed": ("speed_kmh", _mps),
    "heading": ("course_deg", _course),
    "accuracy": ("accuracy_m", _accuracy),
}
BATTERY: dict[str, tuple[str, Reader]] = {"level": ("battery_percent", _level)}
PLACE = ("latitude", "longitude")
TELEMETRY: dict[str, tuple[str, float]] = {  # Traccar's name: the column, and what one of Traccar's units is there
    "sat": ("satellites", 1),
    "power": ("power_v", 1),
    "battery": ("battery_v", 1),
    "batteryLevel": ("battery_percent", 1),
    "odometer": ("odometer_m", 1),
    "hours": ("engine_hours_s", 0.001),
    "fuel": ("fuel_l", 1),
    "rssi": ("gsm", 1),
}
FLAGS = {"ignition": "ignition", "motion": "motion"}


class Rest:
    """What has no place of its own in the protocol: it goes to the columns it names, or becomes an attribute."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def read(self, report: Report, table: dict[str, tuple[str, Reader]], name: str, value: Any) -> None:
        """A wrong place is refused. Anything else that is wrong is kept as it came: a phone sends a refused report again and
        again, and all that it measured later waits behind it."""
        column, reader = table[name]
        try:
            number = reader(value)
        except CantRead:
            if column in PLACE:
                raise
            self.attributes[name] = value
        else:
            setattr(report, column, number if number == number else NAN)  # the one NaN that isn't written

    def tell(self, report: Report, name: str, value: Any) -> None:
        if name in FLAGS and value in (0, 1):  # True and False among them
            setattr(report, FLAGS[name], float(value))
        elif name in TELEMETRY and isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
            column, unit = TELEMETRY[name]
            setattr(report, column, float(value * unit))
        elif name == "alarm" and isinstance(value, str) and all(alarm in ALARM_BIT for alarm in value.split(",")):
            for alarm in value.split(","):
                report.alarms |= ALARM_BIT[alarm]
        else:
            self.attributes[name] = value


class Network:
    """The cells and access points around a phone, as Traccar writes them."""

    def __init__(self) -> None:
        self._cells: list[dict[str, Any]] = []
        self._wifi: list[dict[str, Any]] = []
        self._odd: list[str] = []

    def cell(self, value: str) -> None:
        names = ("mobileCountryCode", "mobileNetworkCode", "locationAreaCode", "cellId", "signalStrength")
        numbers = value.split(",")
        if 4 <= len(numbers) <= 5 and all(re.fullmatch(r"-?\d{1,15}", number, re.ASCII) for number in numbers):
            self._cells.append(dict(zip(names, map(int, numbers), strict=False)))
        else:
            self._odd.append(f"cell={value}")

    def wifi(self, value: str) -> None:
        mac, _, signal = value.partition(",")
        if re.fullmatch(r"-?\d{1,5}", signal, re.ASCII):
            self._wifi.append({"macAddress": mac.replace("-", ":"), "signalStrength": int(signal)})
        else:
            self._odd.append(f"wifi={value}")

    def into(self, rest: Rest) -> None:
        found = {"cellTowers": self._cells, "wifiAccessPoints": self._wifi, "unread": self._odd}
        if network := {name: values for name, values in found.items() if values}:
            rest.attributes["network"] = network


def _time(text: str) -> int:
    """Milliseconds since 1970. Raises CantRead."""
    if re.fullmatch(r"\d{1,15}(?:\.\d{1,9})?", text, re.ASCII):
        number = float(text)
        moment = round(number * 1000) if number < LAST_SECOND else round(number)
    else:
        try:
            # "+" of a zone that the client forgot to escape arrives as a blank
            said = datetime.fromisoformat(re.sub(r"(T\S+) (\d\d:?\d\d)$", r"\1+\2", text))
            moment = round((said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            raise CantRead(f"timestamp can't be read: {text[:40]}") from None
    if not 0 <= moment <= LAST_MS:
        raise CantRead(f"timestamp is out of bounds: {text[:40]}")
    return moment


Connection = partial(HttpConnection, read_request)

CODEC = Codec(
    name="osmand",
    port=5055,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_HEAD_BYTES + LARGEST_BODY_BYTES,
    session=Connection,
    datagram=None,
    decode=decode,
    makers="phones with OsmAnd or Traccar Client, and whatever can send an HTTP request",
    source="https://www.traccar.org/osmand/",
    models="OsmAnd, Traccar Client",
    reads="ignition, motion, power, battery, odometer, engine hours, fuel, alarms, cells and access points, any other parameter",
    http=True,
)
