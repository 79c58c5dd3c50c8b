"""flespi's streams over HTTP: a JSON list of messages of any of its devices, or one message by MQTT (`read_messages`).

Message     one JSON object, whose names are flespi's for trackers of all makers; "#1" behind a name: which of several
            ident                   who; a message without it is passed over
            timestamp               seconds since 1970, UTC, with a fraction
            position.latitude …     degrees; without both, or at 0/0, it is telemetry alone
            position.altitude       m · .speed km/h · .direction degrees · .satellites · .hdop · .pdop · .valid (else: it is)
            the tables below        what has a column or a name of Traccar's
            the rest                attributes by flespi's names
Answer      200, and the errors of `http.py`. Messages of strangers don't keep a list from being a 200: flespi sends a list that
            is refused again and again, and everybody else's messages would wait behind it
Source      flespi.com/kb, "Messages" and "HTTP stream"; flespi.com/protocols, parameters; names of attributes as in Traccar's
            FlespiProtocolDecoder. `gps.vehicle.mileage` is km there, as flespi says, and metres here.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from protocols.http import LARGEST_HEAD_BYTES, Connection, Request, Said, decode, json_of
from protocols.reports import NAN, CantRead, Report
from protocols.session import Codec

LARGEST_BODY_BYTES = 4 << 20  # a stream packs up to some thousand messages of about 1 kB into a request
MOST_TRACKERS = 2000  # in a request; each is looked up, and nobody else is heard meanwhile

NUMBERS: dict[str, tuple[str, float]] = {  # name: column, and what one of its units is there
    "position.latitude": ("latitude", 1),
    "position.longitude": ("longitude", 1),
    "position.altitude": ("altitude_m", 1),
    "position.speed": ("speed_kmh", 1),
    "position.direction": ("course_deg", 1),
    "position.satellites": ("satellites", 1),
    "external.powersource.voltage": ("power_v", 1),
    "battery.voltage": ("battery_v", 1),
    "battery.level": ("battery_percent", 1),
    "gps.vehicle.mileage": ("odometer_m", 1000),
    "vehicle.mileage": ("odometer_m", 1000),
    "can.vehicle.mileage": ("odometer_m", 1000),
    "engine.motorhours": ("engine_hours_s", 3600),
    "can.fuel.volume": ("fuel_l", 1),
    "gsm.signal.level": ("gsm", 1),
}
FLAGS = {"engine.ignition.status": "ignition", "movement.status": "motion"}
RENAMED: dict[str, str] = {
    "position.hdop": "hdop",
    "position.pdop": "pdop",
    "din": "input",
    "dout": "output",
    "report.reason": "event",
    "fuel.level": "fuel",
    "can.fuel.level": "fuel",
    "engine.rpm": "rpm",
    "can.engine.rpm": "rpm",
    "device.temperature": "deviceTemp",
    "ibutton.code": "driverUniqueId",
    "vehicle.vin": "vin",
    "custom.wln_accel_max": "maxAcceleration",
    "custom.wln_brk_max": "maxBraking",
    "custom.wln_crn_max": "maxCornering",
}
ALARM_OF: dict[str, str] = {  # when true
    "alarm.event.trigger": "general",
    "towing.event.trigger": "tow",
    "towing.alarm.status": "tow",
    "geofence.event.enter": "geofenceEnter",
    "geofence.event.exit": "geofenceExit",
    "shock.event.trigger": "vibration",
    "overspeeding.event.trigger": "overspeed",
    "harsh.acceleration.event.trigger": "hardAcceleration",
    "harsh.braking.event.trigger": "hardBraking",
    "harsh.cornering.event.trigger": "hardCornering",
    "gnss.antenna.cut.status": "gpsAntennaCut",
    "gsm.jamming.event.trigger": "jamming",
    "hood.open.status": "bonnet",
}
ENGINE_C = "can.engine.temperature"


def read_messages(payload: bytes) -> list[Said]:
    """Each tracker's messages, in the order in which they first speak. Raises CantRead when none can be read."""
    root = json_of(payload)
    messages = root if isinstance(root, list) else [root]
    said: dict[str, list[Report]] = {}
    for message in messages:
        if not isinstance(message, dict):
            raise CantRead("the body is no list of messages")
        ident = message.get("ident")
        if isinstance(ident, str | int) and not isinstance(ident, bool) and (name := str(ident).strip()):
            said.setdefault(name, []).append(read_message(message))
    if len(said) > MOST_TRACKERS:
        raise CantRead(f"a list is of at most {MOST_TRACKERS} trackers: let the stream send fewer messages at once")
    if messages and not said:
        raise CantRead("no message says by ident which tracker it is of")
    return list(said.items())


def read_message(message: dict[str, Any]) -> Report:
    """What one message reports."""
    report = Report(valid=True)
    for name, value in message.items():
        if value is None or name == "ident":
            continue
        plain, mark, place = name.partition("#")
        if name == "timestamp" and _is_number(value):
            report.time_ms = int(value * 1000)
        elif name == "position.valid":
            report.valid = value is True
        elif plain in NUMBERS and _is_number(value):
            column, unit = NUMBERS[plain]
            setattr(report, column, float(value * unit))
        elif plain in FLAGS and isinstance(value, bool):
            setattr(report, FLAGS[plain], float(value))
        elif plain in ALARM_OF and isinstance(value, bool):
            if value:
                report.alarm(ALARM_OF[plain])
        elif plain == ENGINE_C:
            report.attributes[f"temp{place if mark and place.isdecimal() and len(place) < 4 else 0}"] = value
        else:
            report.attributes[RENAMED.get(plain, name)] = value
    placeless = report.latitude != report.latitude or report.longitude != report.longitude
    if placeless or (report.latitude == 0 and report.longitude == 0):
        _nowhere(report)
    return report


def _nowhere(report: Report) -> None:
    """Telemetry alone. 0/0 is how flespi's devices say that they have no fix."""
    report.latitude, report.longitude, report.valid = NAN, NAN, False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def read_request(request: Request) -> list[Said]:
    return read_messages(request.body)


CODEC = Codec(
    name="flespi",
    port=5149,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_HEAD_BYTES + LARGEST_BODY_BYTES,
    session=partial(Connection, read_request, tolerant=True, largest_body_bytes=LARGEST_BODY_BYTES),
    datagram=None,
    decode=decode,
    makers="flespi, which speaks to trackers of some hundred makers",
    source="https://flespi.com/kb/messages-basic-information-units",
    models="whatever flespi reads",
    reads="ignition, motion, power, battery, mileage, fuel, inputs, alarms; every other parameter by flespi's name",
    http=True,
)
