"""Topics and payloads in, whose reports out: pure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from protocols import Frame
from protocols.http import payload
from protocols.reports import CantRead
from telematics.config import MqttFieldSettings, MqttSettings, MqttSourceSettings
from telematics.mqtt.sources import KINDS, sources
from telematics.mqtt.topics import filter_of


@pytest.mark.parametrize(
    ("pattern", "subscribed", "topic", "name"),
    [
        ("fleet/{id}/pos", "fleet/+/pos", "fleet/7/pos", "7"),
        ("fleet/{id}/pos", "fleet/+/pos", "fleet/7/x/pos", None),
        ("fleet/van-{id}", "fleet/+", "fleet/van-7", "7"),
        ("fleet/van-{id}", "fleet/+", "fleet/car-7", None),
        ("{id}/#", "+/#", "7/a/b", "7"),
        ("{id}/#", "+/#", "7", "7"),
        ("#", "#", "a/b", ""),
        ("+/data", "+/data", "1/data", ""),
        ("+/data", "+/data", "1/2/data", None),
        ("a.b/+", "a.b/+", "aXb/c", None),
        ("a/+", "a/+", "a/", ""),
    ],
)
def test_a_pattern_means_its_topics(pattern: str, subscribed: str, topic: str, name: str | None) -> None:
    [source] = sources([MqttSourceSettings(topic=pattern)])
    assert filter_of(pattern) == source.filter == subscribed
    assert source.names(topic) == name


def test_without_settings_it_is_owntracks_and_an_empty_list_is_nothing() -> None:
    assert [source.filter for source in sources(MqttSettings().sources)] == ["owntracks/+/+"]
    assert sources(MqttSettings(sources=()).sources) == []


@pytest.mark.parametrize(
    ("column", "path", "unit", "said", "value"),
    [
        ("speed_kmh", "s", "m/s", 10, 36.0),
        ("speed_kmh", "s", "knots", "10", 18.52),
        ("speed_kmh", "s", "mph", 10, 16.09344),
        ("odometer_m", "s", "mi", 1, 1609.344),
        ("altitude_m", "s", "ft", 100, 30.48),
        ("power_v", "s", "mV", 12600, 12.6),
        ("battery_percent", "s", "ratio", 0.5, 50.0),
        ("engine_hours_s", "s", "h", 2, 7200.0),
        ("fuel_l", "s", "gal", 1, 3.785411784),
    ],
)
def test_units_are_put_into_the_columns(column: str, path: str, unit: str, said: Any, value: float) -> None:
    [source] = sources([MqttSourceSettings(topic="x/{id}", fields={column: MqttFieldSettings(path=path, unit=unit)})])
    [(name, [report])] = source.read("x/7", json.dumps({path: said}).encode())
    assert name == "7"
    assert getattr(report, column) == pytest.approx(value)


@pytest.mark.parametrize(
    ("path", "said", "found"),
    [
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a.b": 1}, 1),
        ("a.b.c", {"a": {"b.c": 1}}, 1),
        ("a.1", {"a": [0, 1]}, 1),
        ("a.1.b", {"a": [0, {"b": 1}]}, 1),
    ],
)
def test_paths_lead_into_objects_and_lists(path: str, said: Any, found: int) -> None:
    [source] = sources([MqttSourceSettings(topic="x/{id}", fields={"level": path})])
    [(_, [report])] = source.read("x/7", json.dumps(said).encode())
    assert report.attributes == {"level": found}


@pytest.mark.parametrize("said", [{"a": 1}, {"a": [1]}, {"a": []}, {"a": None}, [[]], 7, "x", None])
def test_what_isnt_there_is_told(said: Any) -> None:
    [source] = sources([MqttSourceSettings(topic="x/{id}", fields={"level": "a.9.b"})])
    with pytest.raises(CantRead, match="nothing of the field map"):
        source.read("x/7", json.dumps(said).encode())


def test_the_topic_comes_before_the_message() -> None:
    [source] = sources([MqttSourceSettings(topic="x/{id}")])
    [(name, _)] = source.read("x/7", b'{"id": "8", "latitude": 1, "longitude": 2}')
    assert name == "7"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"topic": "a/{id}/{id}"}, "once at most"),
        ({"topic": "$share/x/a"}, "without"),
        ({"topic": "a+/b"}, "levels of their own"),
        ({"topic": "a/#/b"}, "levels of their own"),
        ({"topic": "a", "fields": {"speed_kmh": {"path": "s", "unit": "kg"}}}, "units of speed_kmh are km/h, m/s, mph, knots"),
        ({"topic": "a", "fields": {"door": {"path": "s", "unit": "m"}}}, "units of door are none"),
        ({"topic": "a", "kind": "xml"}, "'owntracks', 'teltonika', 'flespi' or 'json'"),
    ],
)
def test_a_wrong_source_is_told(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        MqttSourceSettings.model_validate(values)


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtt://host:x", "mqtt://host/path", "mqtt://host?x=1", "host:1883"])
def test_a_wrong_broker_is_told(url: str) -> None:
    with pytest.raises(ValidationError, match="write it as mqtt://"):
        MqttSettings(url=url)  # type: ignore[arg-type]


NAMES = st.sampled_from(
    ["id", "time", "latitude", "longitude", "speed_kmh", "alarm", "attributes", "_type", "tst", "lat", "lon", "ident",
     "timestamp", "position.latitude", "state", "reported", "ts", "latlng", "239", "72", "sp", "topic", "11", "x"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["location", "1,2", "0xFF", "2026-01-01", "sos"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(message=st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value, allow_nan=True).encode()))
def test_any_message_gives_reports_or_a_reason(kind: str, message: bytes) -> None:
    [source] = sources([MqttSourceSettings.model_validate({"topic": "x/{id}", "kind": kind})])
    try:
        said = source.read("x/7", message)
    except CantRead:
        return
    columns = KINDS[kind].codec.decode([Frame("location", payload(reports)) for _, reports in said]).columns
    assert len(columns) == sum(len(reports) for _, reports in said)
    assert all(-90 <= latitude <= 90 for latitude in columns.latitude[columns.valid])
