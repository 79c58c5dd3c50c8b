"""What the API gives, in Traccar's words and units: camelCase names, knots, metres, milliseconds, and times such as
2026-01-26T15:57:02.000+00:00.

Source: Traccar 6, openapi.yaml, "components"; `accountId`, `moving` and what stands under "ours" are additions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from protocols import alarm_names
from telematics.alerts.matching import zone_of

if TYPE_CHECKING:
    from telematics.pipeline.state import Latest
    from telematics.server import Status
    from telematics.store.records import Event

KMH_PER_KNOT = 1.852
OVERSPEED = {"speed_kmh": "speed", "limit_kmh": "speedLimit"}  # of events; both in knots
Attributes = dict[str, Any]


class Shape(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    pass


class Position(Shape, frozen=True):
    id: int
    device_id: int
    protocol: str
    server_time: str
    device_time: str
    fix_time: str
    valid: bool
    outdated: bool  # the place is older than the report
    latitude: float
    longitude: float
    altitude: float
    speed: float  # knots
    course: float
    accuracy: float
    attributes: Attributes
    address: str | None = None
    network: None = None
    geofence_ids: None = None


class ConnectedOut(Shape, frozen=True):
    """What connecting a tracker cost, in minor units; `blocked`: `needed` wasn't there, and it waits for a top-up."""

    charged: int
    blocked: bool
    needed: int
    balance: int  # after it
    currency: str
    digits: int


class DeviceOut(Shape, frozen=True):
    id: int
    name: str
    unique_id: str
    status: str
    disabled: bool
    last_update: str | None
    position_id: int  # 0: none yet
    phone: str | None
    model: str | None
    contact: str | None
    category: str | None
    attributes: Attributes
    account_id: int  # ours
    moving: bool  # ours
    group_id: int = 0
    calendar_id: int = 0
    blocked: str | None = None  # ours: unpaid, owner or administrator
    billing: ConnectedOut | msgspec.UnsetType = msgspec.UNSET  # ours, of one that was just connected


class EventOut(Shape, frozen=True):
    id: int
    type: str
    event_time: str
    device_id: int
    position_id: int
    attributes: Attributes
    geofence_id: int = 0
    maintenance_id: int = 0


class UserOut(Shape, frozen=True):
    id: int
    name: str
    email: str
    readonly: bool
    administrator: bool
    disabled: bool
    attributes: Attributes
    account_id: int  # ours
    language: str | None = None  # ours
    login: str | None = None
    phone: str | None = None
    map: str | None = None
    latitude: float = 0
    longitude: float = 0
    zoom: int = 0
    password: None = None
    coordinate_format: str | None = None
    expiration_time: str | None = None
    device_limit: int = -1
    user_limit: int = 0
    device_readonly: bool = False
    limit_commands: bool = False
    disable_reports: bool = False
    fixed_email: bool = False
    poi_layer: str | None = None
    time_zone: str | None = None  # ours; None: the account's
    quiet_hours: list[dict[str, Any]] | None = None  # ours, weekly
    commands: str = "all"  # ours: which ones they may send to trackers; all, saved or none


class AccountOut(Shape, frozen=True):
    id: int
    name: str
    time_zone: str
    language: str
    disabled: bool
    created_at: str
    mqtt_publish: bool = False  # positions, states and events go out by MQTT
    mqtt_discovery: bool = False  # and Home Assistant is told of the devices


class ServerOut(Shape, frozen=True):
    version: str
    readonly: bool = False
    id: int = 1
    registration: bool = False
    device_readonly: bool = False
    limit_commands: bool = False
    disable_reports: bool = False
    fixed_email: bool = False
    map: str | None = None
    bing_key: str | None = None
    map_url: str | None = None
    overlay_url: str | None = None
    poi_layer: str | None = None
    announcement: str | None = None
    latitude: float = 0
    longitude: float = 0
    zoom: int = 0
    twelve_hour_format: bool = False
    force_settings: bool = False
    coordinate_format: str | None = None
    open_id_enabled: bool = False
    open_id_force: bool = False
    email_enabled: bool = False
    text_enabled: bool = False
    geocoder_enabled: bool = True
    new_server: bool = False
    attributes: Attributes = {}


class Stop(Shape, frozen=True):
    device_id: int
    device_name: str
    start_time: str
    end_time: str
    duration: int  # milliseconds
    position_id: int  # where it began
    latitude: float
    longitude: float
    lat: float
    lon: float
    start_odometer: float
    end_odometer: float
    engine_hours: int  # milliseconds
    spent_fuel: float
    address: str | None = None
    distance: float = 0
    average_speed: float = 0
    max_speed: float = 0


class Trip(Shape, frozen=True):
    device_id: int
    device_name: str
    start_time: str
    end_time: str
    duration: int  # milliseconds
    distance: float
    average_speed: float  # knots
    max_speed: float  # knots
    start_position_id: int
    end_position_id: int
    start_lat: float
    start_lon: float
    end_lat: float
    end_lon: float
    start_odometer: float
    end_odometer: float
    spent_fuel: float
    start_address: str | None = None
    end_address: str | None = None
    driver_unique_id: str | None = None
    driver_name: str | None = None


class Summary(Shape, frozen=True):
    device_id: int
    device_name: str
    start_time: str | None
    end_time: str | None
    distance: float
    average_speed: float  # knots, while driving
    max_speed: float  # knots
    engine_hours: int  # milliseconds
    start_odometer: float
    end_odometer: float
    spent_fuel: float


class UnknownOut(Shape, frozen=True):
    """Ours: a tracker that reports and is nobody's."""

    protocol: str
    unique_id: str
    address: str
    first_heard: str
    last_heard: str
    count: int


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A row of `history.sql` and `positions_by_id.sql`."""

    id: int
    device_id: int
    time: datetime
    received: datetime
    valid: bool
    outlier: bool
    distance_m: float
    latitude: float | None
    longitude: float | None
    altitude_m: float | None
    speed_kmh: float | None
    course_deg: float | None
    accuracy_m: float | None
    satellites: float | None
    ignition: bool | None
    motion: bool | None
    power_v: float | None
    battery_v: float | None
    battery_percent: float | None
    odometer_m: float | None
    engine_hours_s: float | None
    fuel_l: float | None
    gsm: float | None
    alarms: int | None
    attributes: str | None


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a device was when it last knew. A row of `place_before.sql`."""

    time: datetime
    latitude: float
    longitude: float
    altitude_m: float | None
    course_deg: float | None
    accuracy_m: float | None


class DeviceRow(msgspec.Struct, frozen=True):
    """A row of `devices.sql`."""

    id: int
    account_id: int
    unique_id: str
    name: str
    phone: str | None
    model: str | None
    contact: str | None
    category: str | None
    disabled: bool
    group_id: int | None
    attributes: Attributes
    blocked: str | None


class EventRow(msgspec.Struct, frozen=True):
    """A row of `event.sql` and `events.sql`."""

    id: int
    device_id: int
    time: datetime
    type: str
    subject: str
    position_id: int | None
    attributes: Attributes | None


def instant(time: datetime) -> str:
    """As Traccar writes it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def knots(speed_kmh: float | None) -> float:
    return round(speed_kmh / KMH_PER_KNOT, 3) if speed_kmh else 0.0


def place_of(row: Stored) -> Place | None:
    if row.latitude is None or row.longitude is None:
        return None
    return Place(row.time, row.latitude, row.longitude, row.altitude_m, row.course_deg, row.accuracy_m)


def from_stored(row: Stored, place: Place, *, protocol: str, total_m: float | None, moves_at_kmh: float) -> Position:
    """A stored report, at `place`: its own, or the last known one for a report of telemetry alone."""
    return Position(
        id=row.id,
        device_id=row.device_id,
        protocol=protocol,
        server_time=instant(row.received),
        device_time=instant(row.time),
        fix_time=instant(place.time),
        valid=row.valid,
        outdated=row.latitude is None,
        latitude=place.latitude,
        longitude=place.longitude,
        altitude=_short(place.altitude_m),
        speed=knots(row.speed_kmh),
        course=_short(place.course_deg),
        accuracy=_short(place.accuracy_m),
        attributes=_attributes(
            row,
            msgspec.json.decode(row.attributes) if row.attributes else {},
            motion=row.motion if row.motion is not None else (row.speed_kmh or 0) >= moves_at_kmh,
            distance_m=row.distance_m,
            total_m=total_m,
            outlier=row.outlier,
        ),
    )


def from_latest(latest: Latest) -> Position:
    return Position(
        id=latest.position_id,
        device_id=latest.device_id,
        protocol=latest.protocol,
        server_time=instant(latest.received),
        device_time=instant(latest.time),
        fix_time=instant(latest.fix_time),
        valid=latest.valid,
        outdated=latest.fix_time < latest.time,
        latitude=latest.latitude,
        longitude=latest.longitude,
        altitude=_short(latest.altitude_m),
        speed=knots(latest.speed_kmh),
        course=_short(latest.course_deg),
        accuracy=_short(latest.accuracy_m),
        attributes=_attributes(latest, latest.attributes, motion=latest.moving, total_m=latest.total_m),
    )


def from_device(row: DeviceRow, status: Status, billing: ConnectedOut | msgspec.UnsetType = msgspec.UNSET) -> DeviceOut:
    return DeviceOut(
        id=row.id,
        name=row.name,
        unique_id=row.unique_id,
        status=status.status,
        disabled=row.disabled,
        last_update=instant(status.heard) if status.heard else None,
        position_id=0 if row.blocked else status.position_id or 0,
        phone=row.phone,
        model=row.model,
        contact=row.contact,
        category=row.category,
        attributes=row.attributes,
        account_id=row.account_id,
        moving=status.moving and not row.blocked,
        group_id=row.group_id or 0,
        blocked=row.blocked,
        billing=billing,
    )


def from_event(event: Event | EventRow, number: int) -> EventOut:
    attributes = event.attributes or {}
    if event.type == "alarm" and event.subject:
        attributes = {"alarm": event.subject, **attributes}
    if event.type == "deviceOverspeed":
        attributes = {OVERSPEED.get(name, name): knots(v) if name in OVERSPEED else v for name, v in attributes.items()}
    return EventOut(
        number,
        event.type,
        instant(event.time),
        event.device_id,
        event.position_id or 0,
        attributes,
        geofence_id=zone_of(event.type, event.subject) or 0,
    )


def _attributes(
    said: Stored | Latest,
    rest: Attributes,
    *,
    motion: bool,
    total_m: float | None,
    distance_m: float | None = None,
    outlier: bool = False,
) -> Attributes:
    """Traccar's attributes: what we have columns for, then the rest as the decoder named it."""
    attributes: Attributes = {"motion": bool(motion)}
    if said.ignition is not None:
        attributes["ignition"] = bool(said.ignition)
    if said.satellites is not None:
        attributes["sat"] = int(said.satellites)
    if distance_m is not None:
        attributes["distance"] = round(distance_m, 2)
    if total_m is not None:
        attributes["totalDistance"] = round(total_m, 2)
    for name, value in (
        ("power", said.power_v),
        ("battery", said.battery_v),
        ("batteryLevel", said.battery_percent),
        ("odometer", said.odometer_m),
        ("fuel", said.fuel_l),
        ("rssi", said.gsm),
    ):
        if value is not None:
            attributes[name] = _short(value)
    if said.engine_hours_s is not None:
        attributes["hours"] = round(said.engine_hours_s * 1000)
    if said.alarms:
        attributes["alarm"] = ",".join(alarm_names(said.alarms))
    if outlier:
        attributes["outlier"] = True
    return {**rest, **attributes} if rest else attributes


def _short(value: float | None) -> float:
    """A 32-bit number without the digits that only the widening to 64 bits made up."""
    return round(value, 3) if value is not None else 0.0
