"""What goes out: JSON documents with the units in their names, and nothing where nothing was sent.

`gps_accuracy` and `odometer_km` are said again for Home Assistant, which knows the one by that name and shows the other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from protocols import alarm_names
from telematics.devices import Device
from telematics.pipeline.state import Latest, StatusName
from telematics.store.records import Event

encode = msgspec.json.Encoder().encode
NUMBERS = (  # of Latest, as they are
    "latitude", "longitude", "altitude_m", "speed_kmh", "course_deg", "accuracy_m", "satellites", "ignition", "motion", "power_v",
    "battery_v", "battery_percent", "odometer_m", "engine_hours_s", "fuel_l", "gsm",
)  # fmt: skip


def instant(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _whose(device: Device) -> dict[str, Any]:
    return {"device_id": device.id, "unique_id": device.unique_id, "name": device.name}


def position(device: Device, latest: Latest) -> bytes:
    said = {name: value for name in NUMBERS if (value := getattr(latest, name)) is not None}
    metres = latest.total_m if latest.odometer_m is None else latest.odometer_m
    document = {
        **_whose(device),
        "time": instant(latest.time),
        "fix_time": instant(latest.fix_time),
        "received": instant(latest.received),
        "valid": latest.valid,
        **said,
        "moving": latest.moving,
        "total_m": round(latest.total_m, 1),
        "odometer_km": round(metres / 1000, 3),
        "protocol": latest.protocol,
        "attributes": latest.attributes,
    }
    if latest.accuracy_m is not None:
        document["gps_accuracy"] = latest.accuracy_m
    if latest.alarms:
        document["alarm"] = ",".join(alarm_names(latest.alarms))
    return encode(document)


def state(device: Device, status: StatusName, heard: datetime | None) -> bytes:
    document = {**_whose(device), "status": status, "online": status == "online", "disabled": device.disabled}
    if heard is not None:
        document["heard"] = instant(heard)
    return encode(document)


def event(device: Device, told: Event) -> bytes:
    document = {**_whose(device), "type": told.type, "time": instant(told.time), "attributes": told.attributes}
    if told.subject:
        document["subject"] = told.subject
    if told.position_id is not None:
        document["position_id"] = told.position_id
    return encode(document)
