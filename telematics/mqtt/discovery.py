"""Home Assistant's MQTT discovery: a device with its entities, each a retained message that says where its values come.

Topic   PREFIX/COMPONENT/NODE/OBJECT/config; NODE and OBJECT have only letters, digits, _ and -
Source  home-assistant.io/integrations/mqtt ("Discovery messages", "Discovery topic") and /device_tracker.mqtt, /sensor.mqtt,
        /binary_sensor.mqtt ("Configuration variables")

What is not in the newest position renders as "None", which Home Assistant shows as unknown.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

from telematics.devices import Device
from telematics.mqtt.documents import encode

POSITION, STATE = "position", "state"
Entity = tuple[str, str, str | None, str, str, dict[str, Any]]
ENTITIES: tuple[Entity, ...] = (  # component, object, name, topic, its value there, the rest
    ("sensor", "speed", "Speed", POSITION, "speed_kmh",
     {"device_class": "speed", "unit_of_measurement": "km/h", "state_class": "measurement", "suggested_display_precision": 0}),
    ("sensor", "battery", "Battery", POSITION, "battery_percent",
     {"device_class": "battery", "unit_of_measurement": "%", "state_class": "measurement", "entity_category": "diagnostic"}),
    ("sensor", "power", "Power voltage", POSITION, "power_v",
     {"device_class": "voltage", "unit_of_measurement": "V", "state_class": "measurement", "entity_category": "diagnostic",
      "suggested_display_precision": 1}),
    ("sensor", "odometer", "Odometer", POSITION, "odometer_km",
     {"device_class": "distance", "unit_of_measurement": "km", "state_class": "total_increasing",
      "suggested_display_precision": 1}),
    ("sensor", "fuel", "Fuel", POSITION, "fuel_l",
     {"device_class": "volume_storage", "unit_of_measurement": "L", "state_class": "measurement",
      "suggested_display_precision": 1}),
    ("binary_sensor", "ignition", "Ignition", POSITION, "ignition", {"icon": "mdi:key"}),
    ("binary_sensor", "motion", "Motion", POSITION, "moving", {"device_class": "moving"}),
    ("binary_sensor", "online", "Online", STATE, "online",
     {"device_class": "connectivity", "entity_category": "diagnostic"}),
)  # fmt: skip
TRACKER = ("device_tracker", "tracker")


class Discovery:
    """`prefix` is our topics' own."""

    def __init__(self, discovery_prefix: str, prefix: str) -> None:
        self._prefix = discovery_prefix
        self._beginning = f"{prefix}/"
        self._status = f"{prefix}/status"
        self._node = re.sub("[^a-zA-Z0-9_-]", "_", prefix)
        self._origin = {"name": "telematics", "sw_version": version("telematics")}

    @property
    def filter(self) -> str:
        """What to subscribe to, to find all that was ever announced; others' are among it."""
        return f"{self._prefix}/+/+/+/config"

    def topics(self, device_id: int) -> list[str]:
        """Where the device is announced: an empty message at each takes it back."""
        names = [TRACKER, *((component, name) for component, name, *_ in ENTITIES)]
        return [f"{self._prefix}/{component}/{self._node}_{device_id}/{name}/config" for component, name in names]

    def device_of(self, topic: str) -> int | None:
        """Whom a topic of ours announces; None: it isn't ours."""
        levels = topic.removeprefix(f"{self._prefix}/").split("/")
        node, _, number = levels[1].rpartition("_") if len(levels) == 4 else ("", "", "")
        return int(number) if node == self._node and number.isascii() and number.isdecimal() and len(number) < 10 else None

    def owns(self, topic: str) -> bool:
        """Whether it is one that we publish to: a device's own, or where it is announced."""
        return topic.startswith(self._beginning) or self.device_of(topic) is not None

    def messages(self, device: Device, base: str) -> list[tuple[str, bytes]]:
        """Topics and payloads; `base` is what the device's own topics begin with."""
        payloads = [self._tracker(device, base), *(self._entity(device, base, entity) for entity in ENTITIES)]
        return list(zip(self.topics(device.id), map(encode, payloads), strict=True))

    def _tracker(self, device: Device, base: str) -> dict[str, Any]:
        """Its place comes as latitude and longitude among the attributes, and decides which zone it is in."""
        return {
            **self._common(device, "tracker", None),
            "json_attributes_topic": f"{base}/{POSITION}",
            "source_type": "gps",
            "icon": "mdi:car",
        }

    def _entity(self, device: Device, base: str, entity: Entity) -> dict[str, Any]:
        component, key, name, topic, value, rest = entity
        on_off = {"payload_on": "True", "payload_off": "False"} if component == "binary_sensor" else {}
        return {
            **self._common(device, key, name),
            "state_topic": f"{base}/{topic}",
            "value_template": f"{{{{ value_json.{value} | default(none) }}}}",
            **on_off,
            **rest,
        }

    def _common(self, device: Device, key: str, name: str | None) -> dict[str, Any]:
        return {
            "name": name,  # null: the device's own
            "unique_id": f"{self._node}_{device.id}_{key}",
            "availability_topic": self._status,
            "qos": 1,
            "device": {"identifiers": [f"{self._node}_{device.id}"], "name": device.name, "serial_number": device.unique_id},
            "origin": self._origin,
        }
