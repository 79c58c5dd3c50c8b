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

A request is read once, by the session, so that it can be refused with a 400; the frame carries the reports in a form of their
own (`Report`, msgpack), and `decode` only lays them out in columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Any
from urllib.parse import parse_qsl

import h11
import msgspec
import numpy as np

from protocols.columns import ALARM_BIT, Columns
from protocols.errors import BadFrame
from protocols.frames import ANSWER, Frame
from protocols.session import Codec, Decoded, Received, Unreadable

LARGEST_HEAD_BYTES = 16 << 10  # what browsers and proxies keep to
LARGEST_BODY_BYTES = 64 << 10  # about 150 locations of Traccar Client, which sends one at a time
MOST_PARAMETERS = 500
LONGEST_ID = 128
KMH_PER_KNOT = 1.852
KMH_PER_MPS = 3.6
LAST_SECOND = 2**31 - 1  # a larger timestamp counts milliseconds, as Traccar has it
LAST_MS = 253402300799999  # the end of year 9999, the last that Python and Postgres both write
NAN = float("nan")


class Report(msgspec.Struct, array_like=True):
    """One report in a frame's payload: the columns in the order they have there, and how they are not sent."""

    time: Annotated[int, msgspec.Meta(ge=0, le=LAST_MS)] | None = None
    valid: bool = False
    alarms: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    attributes: bytes | None = None
    latitude: float = NAN
    longitude: float = NAN
    altitude_m: float = NAN
    speed_kmh: float = NAN
    course_deg: float = NAN
    accuracy_m: float = NAN
    satellites: float = NAN
    ignition: float = NAN
    motion: float = NAN
    power_v: float = NAN
    battery_v: float = NAN
    battery_percent: float = NAN
    odometer_m: float = NAN
    engine_hours_s: float = NAN
    fuel_l: float = NAN
    gsm: float = NAN


class Unusable(Exception):
    """What is wrong with a request, said to whoever wrote the client."""


class Request(msgspec.Struct):
    """A whole request that can be used: whose it is, and its reports as a frame carries them."""

    tracker: str
    payload: bytes


# --- Session -----------------------------------------------------------------------------------------------------------------


class Connection:
    """One connection: requests in, responses in their order out, always as frames."""

    def __init__(self) -> None:
        # Twice our own bound, which is judged on whole heads: so the answer doesn't depend on how the bytes were cut.
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * LARGEST_HEAD_BYTES)
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._tracker = ""  # who was admitted last
        self._asked: Request | None = None
        self._over = False

    def receive(self, data: bytes) -> Received:
        received = Received()
        if not self._over and data:  # to h11 nothing means the end
            try:
                self._http.receive_data(data)
            except h11.ProtocolError:
                self._over = True
            self._go_on(received)
        return received

    def admit(self, known: bool) -> Received:
        received = Received()
        asked, self._asked = self._asked, None
        if asked is None or self._over:
            return received
        if known:
            self._tracker = asked.tracker
            self._stored(received, asked)
        else:
            self._tracker = ""
            self._answer(received, 404, f"no tracker has the id {asked.tracker}: add it on the server, or correct it in the app")
        self._go_on(received)
        return received

    def _go_on(self, received: Received) -> None:
        while self._asked is None and not self._over:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                # h11's own words depend on how the bytes were cut, so the client gets ours
                status = error.error_status_hint
                self._refuse(received, status, HEAD_TOO_LARGE if status == 431 else NOT_HTTP, str(error)[:200].encode())
                return
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Request):
                self._begin(received, event)
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > LARGEST_BODY_BYTES:
                    self._refuse(received, 413, BODY_TOO_LARGE, bytes(self._body[:200]))
            elif isinstance(event, h11.EndOfMessage):
                self._whole(received)
            else:
                self._over = True

    def _begin(self, received: Received, head: h11.Request) -> None:
        self._head = head
        self._body.clear()
        length = next((int(value) for name, value in head.headers if name == b"content-length"), 0)
        if len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers) > LARGEST_HEAD_BYTES:
            self._refuse(received, 431, HEAD_TOO_LARGE, head.target[:200])
        elif length > LARGEST_BODY_BYTES:
            self._refuse(received, 413, BODY_TOO_LARGE, head.target)
        elif head.method not in (b"GET", b"POST"):
            self._refuse(received, 405, "only GET and POST are answered here", head.target)
        elif self._http.they_are_waiting_for_100_continue:
            go_on = self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b""
            received.frames.append(Frame(ANSWER, b"", go_on))

    def _whole(self, received: Received) -> None:
        head, body = self._head, bytes(self._body)
        if head is None:
            return
        try:
            request = read_request(head.target, _content_type(head), body)
        except Unusable as unusable:
            received.rejects.append(BadFrame(str(unusable), head.target + b"\n" + body))
            self._answer(received, 400, str(unusable))
            return
        if request.tracker == self._tracker:
            self._stored(received, request)
        else:
            self._asked = request
            received.login = request.tracker

    def _stored(self, received: Received, request: Request) -> None:
        ack, last = self._response(200, "")
        received.frames.append(Frame("location", request.payload, ack, last=last))

    def _answer(self, received: Received, status: int, text: str) -> None:
        ack, last = self._response(status, text)
        received.frames.append(Frame(ANSWER, b"", ack, last=last))

    def _refuse(self, received: Received, status: int, text: str, frame: bytes) -> None:
        """Answer and hang up: what follows can't be, or isn't worth being, read."""
        received.rejects.append(BadFrame(text, frame))
        self._over = True
        self._body.clear()
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            ack, _ = self._response(status, text, close=True)
            received.frames.append(Frame(ANSWER, b"", ack, last=True))
        else:
            received.close = True

    def _response(self, status: int, text: str, *, close: bool = False) -> tuple[bytes, bool]:
        """The response's bytes, and whether the connection ends with it."""
        body = f"{text}\n".encode() if text else b""
        headers = [("Content-Length", str(len(body)))]
        if body:
            headers.append(("Content-Type", "text/plain; charset=utf-8"))
        if status == 405:
            headers.append(("Allow", "GET, POST"))
        if close:
            headers.append(("Connection", "close"))
        response = self._http.send(h11.Response(status_code=status, headers=headers, reason=REASONS[status])) or b""
        if body and not (self._head is not None and self._head.method == b"HEAD"):
            response += self._http.send(h11.Data(data=body)) or b""
        response += self._http.send(h11.EndOfMessage()) or b""
        self._head = None
        if not close and self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return response, False
        self._over = True
        return response, True


HEAD_TOO_LARGE = f"address and headers have at most {LARGEST_HEAD_BYTES} bytes"
BODY_TOO_LARGE = f"a body has at most {LARGEST_BODY_BYTES} bytes"
NOT_HTTP = "this is not HTTP/1.1"
REASONS = {
    200: b"OK", 400: b"Bad Request", 404: b"Not Found", 405: b"Method Not Allowed", 413: b"Content Too Large",
    431: b"Request Header Fields Too Large", 501: b"Not Implemented",
}  # fmt: skip


def _content_type(head: h11.Request) -> bytes:
    return next((value for name, value in head.headers if name == b"content-type"), b"")


# --- Requests ----------------------------------------------------------------------------------------------------------------

encode = msgspec.msgpack.Encoder().encode
encode_json = msgspec.json.Encoder().encode
IDS = ("id", "deviceid", "deviceId", "device_id")


def read_request(target: bytes, content_type: bytes, body: bytes) -> Request:
    """Whose reports these are, and the reports. Raises Unusable."""
    query = _parameters(target.partition(b"?")[2])
    if body and (b"json" in content_type.lower() or body.lstrip()[:1] in (b"{", b"[")):
        return _read_json(query, body)
    parameters = query or _parameters(body)
    tracker = _tracker([value for name, value in parameters if name in IDS])
    return Request(tracker, encode([_read_query(parameters)]))


def _parameters(text: bytes) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(text.decode("utf-8", "replace").strip(), errors="replace", max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise Unusable(f"a request has at most {MOST_PARAMETERS} parameters") from None
    return [(_clean(name), _clean(value)) for name, value in pairs]


def _clean(text: str) -> str:
    """Postgres keeps no NUL in text."""
    return text.replace("\0", "")


def _tracker(names: Sequence[str]) -> str:
    """The one id in a request that may say it several times."""
    ids = {name.strip() for name in names}
    if not ids or ids == {""}:
        raise Unusable("the tracker's id is missing: send it as id=")
    tracker = ids.pop()
    if ids:
        raise Unusable("a request is of one tracker, this has several ids")
    if len(tracker) > LONGEST_ID or not tracker.isprintable():
        raise Unusable(f"an id has at most {LONGEST_ID} printable characters")
    return tracker


def _read_query(parameters: Sequence[tuple[str, str]]) -> Report:
    report, rest, network = Report(valid=True), Rest(), Network()
    for name, value in parameters:
        value = value.strip()
        if not value or name in IDS:
            continue
        if name == "timestamp":
            report.time = _time(value)
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


def _read_json(query: Sequence[tuple[str, str]], body: bytes) -> Request:
    try:
        root = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unusable(f"the body is not JSON: {str(error)[:200]}") from None
    messages = root if isinstance(root, list) else [root]
    names = [value for name, value in query if name in IDS]
    reports: list[Report] = []
    for message in messages:
        if not isinstance(message, dict):
            raise Unusable("the body is no object with device_id and location")
        names += [_clean(str(message[name])) for name in ("device_id", "id") if isinstance(message.get(name), str | int)]
        locations = message.get("location")
        for location in locations if isinstance(locations, list) else [locations]:
            if not isinstance(location, dict):
                raise Unusable("location is missing")
            reports.append(_read_location(location))
    tracker = _tracker(names)
    if not reports:
        raise Unusable("location is missing")
    return Request(tracker, encode(reports))


def _read_location(location: dict[str, Any]) -> Report:
    report, rest = Report(valid=True), Rest()
    if (timestamp := location.get("timestamp")) is not None:
        report.time = _time(str(timestamp))
    coords = location.get("coords")
    if isinstance(coords, dict):
        for name, value in coords.items():
            if value is not None and name in COORDS:
                rest.read(report, COORDS, name, value)
    elif coords is not None:
        raise Unusable("coords is no object")
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
        raise Unusable("latitude and longitude come together, or not at all")
    if report.latitude != report.latitude:
        report.valid = False
    if rest.attributes:
        try:
            report.attributes = encode_json(rest.attributes)
            if b"\\u0000" in report.attributes:
                report.attributes = encode_json(_without_nul(rest.attributes))
        except (OverflowError, RecursionError, ValueError, TypeError):  # numbers past 64 bits, towers of lists
            raise Unusable("an attribute's value is too large") from None
    return report


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {_clean(name): _without_nul(inner) for name, inner in value.items()}
    return [_without_nul(inner) for inner in value] if isinstance(value, list) else value


# --- Values ------------------------------------------------------------------------------------------------------------------

NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?", re.ASCII)  # "007" stays text: it may be a name
WORDS = {"true": True, "false": False}


def _typed(text: str) -> int | float | bool | str:
    if NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return WORDS.get(text, text)


def _number(name: str, value: Any, least: float, most: float, *, below: float | None = None) -> float:
    """A number in its bounds; `below`: what a smaller one means. Raises Unusable."""
    if value is None:
        return NAN
    try:
        number = NAN if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = NAN
    if not isfinite(number):
        raise Unusable(f"{name} is no number: {str(value)[:40]}")
    if below is not None and number < least:
        return below
    if not least <= number <= most:
        raise Unusable(f"{name} is out of bounds: {str(value)[:40]}")
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
            setattr(report, column, reader(value))
        except Unusable:
            if column in PLACE:
                raise
            self.attributes[name] = value

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
    """Milliseconds since 1970. Raises Unusable."""
    if re.fullmatch(r"\d{1,15}(?:\.\d{1,9})?", text, re.ASCII):
        number = float(text)
        moment = round(number * 1000) if number < LAST_SECOND else round(number)
    else:
        try:
            # "+" of a zone that the client forgot to escape arrives as a blank
            said = datetime.fromisoformat(re.sub(r"(T\S+) (\d\d:?\d\d)$", r"\1+\2", text))
            moment = round((said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            raise Unusable(f"timestamp can't be read: {text[:40]}") from None
    if not 0 <= moment <= LAST_MS:
        raise Unusable(f"timestamp is out of bounds: {text[:40]}")
    return moment


# --- Columns -----------------------------------------------------------------------------------------------------------------

REPORTS = msgspec.msgpack.Decoder(list[Report])
NOT_SENT = np.datetime64("NaT", "ms").astype(np.int64).item()
NUMBERS = Report.__struct_fields__[4:]


def decode(frames: Sequence[Frame]) -> Decoded:
    """One row per report, in the order of the requests. Only a payload that no session wrote is unreadable."""
    places: list[int] = []
    reports: list[Report] = []
    unreadable: list[Unreadable] = []
    for place, frame in enumerate(frames):
        try:
            found = REPORTS.decode(frame.payload)
        except msgspec.DecodeError as error:
            unreadable.append(Unreadable(place, f"not a report: {error}"))
            continue
        reports += found
        places += [place] * len(found)
    with np.errstate(over="ignore"):  # a payload that no session wrote may hold numbers that a column can't
        columns = Columns.of(
            len(reports),
            frame=places,
            time=np.array([NOT_SENT if r.time is None else r.time for r in reports], np.int64).view("M8[ms]"),
            valid=[r.valid for r in reports],
            alarms=np.array([r.alarms for r in reports], np.uint64),
            attributes=[r.attributes for r in reports],
            **{name: np.array([getattr(r, name) for r in reports], np.float64) for name in NUMBERS},
        )
    return Decoded(columns, unreadable)


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
)
