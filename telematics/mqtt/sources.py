"""What is subscribed to, and how its messages are read: payloads in, whose reports out. Pure.

A message that can't be read is `CantRead`, with a sentence for whoever set up the publisher.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from protocols import Codec, flespi, mqtt, owntracks
from protocols.mqtt import Said, units_of
from protocols.reports import CantRead
from telematics.config import MqttFieldSettings, MqttSourceSettings
from telematics.mqtt.topics import filter_of, matcher

STANDARD = (MqttSourceSettings(topic="owntracks/+/+", kind="owntracks"),)  # what the apps publish to by themselves
Reader = Callable[[bytes], Said]
Fields = dict[str, str | MqttFieldSettings]


@dataclass(frozen=True, slots=True)
class Kind:
    """How messages are read, and whose they are by their topic where its pattern has no {id}; empty: the message says it."""

    codec: Codec
    read: Reader
    named_by: Callable[[str], str] = lambda topic: ""


@dataclass(frozen=True, slots=True)
class Source:
    """Messages alike."""

    filter: str
    kind: Kind
    _matches: re.Pattern[str]

    def names(self, topic: str) -> str | None:
        """Whose message it is by its topic, empty when that doesn't say; None: it isn't one of these."""
        found = self._matches.fullmatch(topic)
        return None if found is None else found.groupdict().get("id") or self.kind.named_by(topic)

    def read(self, topic: str, payload: bytes) -> Said:
        """Whose reports, each with a name. The topic's comes before what the message says: the broker may have looked at who
        publishes there. Raises CantRead."""
        if len(payload) > mqtt.LARGEST_BYTES:
            raise CantRead(f"a message has at most {mqtt.LARGEST_BYTES} bytes")
        named = self.names(topic)
        said = self.kind.read(payload)
        if sum(len(reports) for _, reports in said) > mqtt.MOST:  # readers of other protocols' messages
            raise CantRead(f"a message has at most {mqtt.MOST} reports")
        return [(mqtt.identity(named or name), reports) for name, reports in said if reports]


def sources(settings: Sequence[MqttSourceSettings] | None) -> list[Source]:
    return [_source(one) for one in (STANDARD if settings is None else settings)]


def _source(settings: MqttSourceSettings) -> Source:
    kind = KINDS[settings.kind] if not settings.fields else Kind(mqtt.CODEC, _with_fields(settings.fields))
    return Source(filter_of(settings.topic), kind, matcher(settings.topic))


def _read_owntracks(payload: bytes) -> Said:
    name, reports = owntracks.read_message(payload)
    return [(name or "", reports)]


def _read_teltonika(payload: bytes) -> Said:
    return mqtt.read_teltonika(mqtt.parse(payload))


def _read_flespi(payload: bytes) -> Said:
    return [(name, list(reports)) for name, reports in flespi.read_messages(payload)]


def _read_ours(payload: bytes) -> Said:
    return mqtt.read_json(mqtt.parse(payload))


KINDS: dict[str, Kind] = {
    "owntracks": Kind(owntracks.CODEC, _read_owntracks, owntracks.tracker_of),
    "teltonika": Kind(mqtt.CODEC, _read_teltonika, lambda topic: topic.partition("/")[0]),  # IMEI/data
    "flespi": Kind(flespi.CODEC, _read_flespi),
    "json": Kind(mqtt.CODEC, _read_ours),
}


# --- Messages with other names -----------------------------------------------------------------------------------------------


def _with_fields(fields: Fields) -> Reader:
    table = [_field(name, field) for name, field in fields.items()]

    def read(payload: bytes) -> Said:
        return mqtt.read_json([_renamed(message, table) for message in mqtt.parse(payload)])

    return read


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    path: tuple[str, ...]
    factor: float = 1


def _field(name: str, field: str | MqttFieldSettings) -> _Field:
    if isinstance(field, str):
        return _Field(name, tuple(field.split(".")))
    return _Field(name, tuple(field.path.split(".")), units_of(name)[field.unit])


def _renamed(message: Any, table: Sequence[_Field]) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for field in table:
        value = _at(message, field.path)
        if field.factor != 1 and (number := mqtt.number_of(value)) == number:
            value = number * field.factor
        if value is not None:
            renamed[field.name] = value
    if not renamed:
        raise CantRead("nothing of the field map is in the message")
    return renamed


def _at(value: Any, path: Sequence[str]) -> Any:
    """What stands there; None: nothing. The last name may hold points itself."""
    for place, name in enumerate(path):
        if isinstance(value, dict):
            if (rest := ".".join(path[place:])) in value:
                return value[rest]
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and len(name) < 6 and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
