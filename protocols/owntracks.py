"""OwnTracks over HTTP: one JSON object per request, or per payload where it comes by MQTT (`read_message`).

Who     `topic` of the object, "/" written as "-" (owntracks/jane/phone: owntracks-jane-phone); without it the headers
        X-Limit-U and X-Limit-D (user and device), or ?u= and &d=, give the same name; without them `tid`, the two letters on
        the app's map
_type   location       a fix: lat, lon degrees · tst seconds since 1970, UTC · alt m · vel km/h · cog degrees · acc m
                       batt percent · bs 0 unknown, 1 unplugged, 2 charging, 3 full · p kPa · t trigger · m mode · conn w, o, m
                       of trackers behind Greenwich or Quicksilver: ign, motion · uext, ubatt V · odometer km · hmc s
                       rpm · vin, name · anum, and adda-NN, temp_c-NN for each · rty · mcc, mnc, lac, cid
        transition     a fix, where the phone had one: event enter or leave · desc of the region · tst
        waypoint       telemetry alone: desc and rad of a region that the phone keeps; its place is not the phone's
        lwt, status    telemetry alone
        card, cmd, waypoints, configuration, steps, dump …      nothing to keep: answered all the same
        encrypted      refused: the key is only on the phone
Answer  200 and [], an empty list of friends; the errors of `http.py`
Source  OwnTracks booklet, "JSON" and "HTTP mode" (owntracks.org/booklet); letters of `t` that trackers send, and names of
        attributes: as Traccar's OwnTracksProtocolDecoder reads them
"""

from __future__ import annotations

from functools import partial
from typing import Any

from protocols.http import LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES, Connection, Request, Said, decode, json_of, parameters
from protocols.reports import NAN, CantRead, Report
from protocols.session import Codec

ALARM_OF: dict[str, str] = {  # what trackers, not phones, send in `t`
    "9": "lowBattery",
    "1": "powerOn",
    "E": "powerRestored",
    "e": "powerCut",
    "!": "tow",
    "s": "overspeed",
}
HARSH: dict[int, str] = {  # rty beside a `t` of h
    0: "hardBraking", 1: "hardAcceleration", 2: "hardCornering", 3: "hardBraking", 4: "hardAcceleration", 5: "hardCornering",
}  # fmt: skip
NUMBERS: dict[str, tuple[str, float]] = {  # name: column, and what one of its units is there
    "alt": ("altitude_m", 1),
    "vel": ("speed_kmh", 1),
    "cog": ("course_deg", 1),
    "acc": ("accuracy_m", 1),
    "batt": ("battery_percent", 1),
    "uext": ("power_v", 1),
    "ubatt": ("battery_v", 1),
    "odometer": ("odometer_m", 1000),
    "hmc": ("engine_hours_s", 1),
    "sat": ("satellites", 1),
}
FLAGS = {"ign": "ignition", "motion": "motion"}
RENAMED = {"t": "event", "desc": "geofence", "name": "vin", "SSID": "ssid", "BSSID": "bssid", "rad": "radius"}
READ = {"_type", "_id", "topic", "tid", "tst", "lat", "lon", "created_at", "sent", "wtst", "anum", "bs", "image", "face"}
SUFFIXES = {"event", "waypoint", "waypoints", "status", "info", "dump", "step", "beacon", "cmd", "card", "cmnd"}
MOST_SENSORS = 100


def read_message(payload: bytes) -> tuple[str | None, list[Report]]:
    """Whose message it is, if it says so, and what it reports: nothing, or one. Raises CantRead."""
    message = json_of(payload)
    if not isinstance(message, dict) or not isinstance(message.get("_type"), str):
        raise CantRead("the body is no OwnTracks object: it has no _type")
    return _name(message), _reports(message)


def tracker_of(topic: str) -> str:
    """The unique id that a topic, such as owntracks/jane/phone/event, stands for."""
    parts = [part for part in topic.split("/") if part]
    if len(parts) > 3 and parts[-1] in SUFFIXES:
        parts.pop()
    return "-".join(parts)


def read_request(request: Request) -> list[Said]:
    if not request.body.strip():  # a friend was deleted in the app
        return []
    tracker, reports = read_message(request.body)
    query = dict(parameters(request.query))
    user = request.header(b"x-limit-u") or query.get("u", "")
    device = request.header(b"x-limit-d") or query.get("d", "")
    if user and (tracker is None or len(tracker) <= 2):  # a tid isn't anybody's alone
        tracker = "-".join(["owntracks", user, device] if device else ["owntracks", user])
    if not reports:
        return []
    if tracker is None:
        raise CantRead("the tracker's id is missing: the app sends it as topic, or as the headers X-Limit-U and X-Limit-D")
    return [(tracker, reports)]


def _name(message: dict[str, Any]) -> str | None:
    topic, tid = message.get("topic"), message.get("tid")
    if isinstance(topic, str) and topic.strip("/ "):
        return tracker_of(topic)
    return tid if isinstance(tid, str) and tid.strip() else None


def _reports(message: dict[str, Any]) -> list[Report]:
    kind = message["_type"]
    if kind == "encrypted":
        raise CantRead("encrypted messages can't be read: switch encryption off in the app, and use HTTPS")
    if kind in ("location", "transition"):
        report = _rest(message)
        report.time_ms = _time_ms(message.get("tst"))
        if kind == "location" or message.get("lat") is not None:
            report.latitude, report.longitude = _degrees(message, "lat", 90), _degrees(message, "lon", 180)
            report.valid = True
        if kind == "transition":
            report.attributes["event"] = event = str(message.get("event"))  # not `t`, which says how the phone noticed it
            if event in TRANSITIONS:
                report.alarm(TRANSITIONS[event])
        return [report]
    if kind in ("waypoint", "lwt", "status"):
        report = _rest(message)
        report.attributes["event"] = kind
        return [report]
    return []


TRANSITIONS = {"enter": "geofenceEnter", "leave": "geofenceExit"}


def _rest(message: dict[str, Any]) -> Report:
    """All but the place and the time."""
    report = Report()
    attributes = report.attributes
    for name, value in message.items():
        if name in READ or value is None or name.startswith(("adda-", "temp_c-")):
            continue
        if name in NUMBERS and (number := _number(value)) is not None:
            column, unit = NUMBERS[name]
            setattr(report, column, number * unit if number >= 0 or column == "altitude_m" else NAN)  # below 0: not known
        elif name in FLAGS and value in (0, 1):  # True and False among them
            setattr(report, FLAGS[name], float(value))
        else:
            attributes[RENAMED.get(name, name)] = value
    if isinstance(state := message.get("bs"), int) and state:
        attributes["charge"] = state in (2, 3)
    _trigger(message, report)
    _sensors(message, attributes)
    return report


def _trigger(message: dict[str, Any], report: Report) -> None:
    trigger, reason = message.get("t"), message.get("rty")
    if trigger in ("i", "I"):
        report.ignition = float(trigger == "i")
    elif trigger == "h" and isinstance(reason, int):
        if reason in HARSH:
            report.alarm(HARSH[reason])
    elif isinstance(trigger, str) and trigger in ALARM_OF:
        report.alarm(ALARM_OF[trigger])


def _sensors(message: dict[str, Any], attributes: dict[str, Any]) -> None:
    count = message.get("anum")
    if not isinstance(count, int):
        return
    for place in range(min(count, MOST_SENSORS)):
        if (volts := message.get(f"adda-{place:02d}")) is not None:
            attributes[f"adc{place + 1}"] = volts
        if (celsius := message.get(f"temp_c-{place:02d}")) is not None:
            attributes[f"temp{place + 1}"] = celsius


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 else None


def _degrees(message: dict[str, Any], name: str, most: int) -> float:
    degrees = _number(message.get(name))
    if degrees is None:
        raise CantRead(f"{name} is no number: {str(message.get(name))[:40]}")
    if abs(degrees) > most:
        raise CantRead(f"{name} is out of bounds: {degrees}")
    return degrees


def _time_ms(seconds: Any) -> int:
    number = _number(seconds)
    if number is None or not 0 <= number <= 253402300799:
        raise CantRead(f"tst is no time in seconds: {str(seconds)[:40]}")
    return round(number * 1000)


CODEC = Codec(
    name="owntracks",
    port=5144,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_HEAD_BYTES + LARGEST_BODY_BYTES,
    session=partial(Connection, read_request, stored="[]"),
    datagram=None,
    decode=decode,
    makers="phones with OwnTracks; Greenwich and Quicksilver gateways of Choral, BCE and Queclink trackers",
    source="https://owntracks.org/booklet/tech/json/",
    models="OwnTracks for Android and iOS",
    reads="battery, charging, regions entered and left, triggers, network; of gateways ignition, power, odometer, analog inputs",
    http=True,
)
