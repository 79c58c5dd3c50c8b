"""Messages of a broker: ours and Teltonika's, and what `decode` and the dead letters make of any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocols import Frame, codec
from protocols.mqtt import parse, read_ours, read_theirs
from protocols.reports import CantRead
from telematics.commands.decode import read


def theirs(**elements: Any) -> dict[str, Any]:
    report = read_theirs({"reported": {"ts": 1767225600000, **elements}})
    told = {
        name: value for name in report.__struct_fields__ if (value := getattr(report, name)) == value and value not in (None, 0)
    }
    return {**told, "attributes": report.attributes, "time_ms": None}


@pytest.mark.parametrize(
    ("number", "said", "column", "value"),
    [
        pytest.param("66", 12850, "power_v", 12.85, id="mV"),
        pytest.param("66", "0x3232", "power_v", 12.85, id="in hex"),
        pytest.param("390", 655, "fuel_l", 65.5, id="a tenth of a litre"),
        pytest.param("239", "1", "ignition", 1.0, id="as text"),
        pytest.param("102", 90, "engine_hours_s", 5400.0, id="minutes"),
    ],
)
def test_an_element_goes_to_its_column(number: str, said: Any, column: str, value: float) -> None:
    assert theirs(**{number: said})[column] == pytest.approx(value)


@pytest.mark.parametrize(
    ("number", "said", "attributes"),
    [
        pytest.param("11", 3000, {"adc3": 3.0}, id="of two meanings the one that has room: two bytes"),
        pytest.param("11", 893116211000001, {"iccid": "893116211000001"}, id="and eight"),
        pytest.param("72", -55, {"temp1": -5.5}, id="below zero"),
        pytest.param("72", 3000, {}, id="a probe that isn't there"),
        pytest.param("78", "0x0102030405060708", {"driverUniqueId": "0807060504030201"}, id="a key, as it is written on it"),
        pytest.param("78", "0x0000000000000000", {}, id="no key"),
        pytest.param("1", 1, {"in1": True}, id="yes or no"),
        pytest.param("999", 7, {"io999": 7}, id="an id that we don't know"),
        pytest.param("66", "x", {"io66": "x"}, id="no number"),
        pytest.param("66", 2**70, {"io66": 2**70}, id="no number of 64 bits"),
        pytest.param("vin", "WDB1", {"vin": "WDB1"}, id="a name of its own"),
    ],
)
def test_or_among_the_attributes(number: str, said: Any, attributes: dict[str, Any]) -> None:
    assert theirs(**{number: said})["attributes"] == attributes


def test_alarms_of_elements() -> None:
    columns = codec("mqtt").decode([frame({"ts": 1, "253": 1, "252": 1})]).columns
    assert set(columns.row(0)["alarm"].split(",")) == {"powerCut", "hardAcceleration"}


def frame(reported: dict[str, Any]) -> Frame:
    [one] = read(codec("mqtt"), json.dumps({"state": {"reported": reported}}).encode()).frames
    return one


@pytest.mark.parametrize(
    ("value", "time_ms"),
    [
        (1767225600, 1767225600000),
        (1767225600.25, 1767225600250),
        (1767225600000, 1767225600000),
        ("1767225600", 1767225600000),
        ("2026-01-01T00:00:00Z", 1767225600000),
        ("2026-01-01 05:00:00+05:00", 1767225600000),
        ("2026-01-01", 1767225600000),
    ],
)
def test_a_time_is_read_however_it_is_written(value: Any, time_ms: int) -> None:
    assert read_ours({"time": value}).time_ms == time_ms


@pytest.mark.parametrize("value", ["soon", -1, 1e30, [], {}])
def test_and_else_refused(value: Any) -> None:
    with pytest.raises(CantRead, match="no time"):
        read_ours({"time": value})


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"latitude": 1, "longitude": 2, "valid": False}, {"latitude": 1.0, "longitude": 2.0, "valid": False}),
        ({"ignition": "true", "motion": 0}, {"ignition": True, "motion": False, "valid": False, "no_fix": True}),
        ({"speed_kmh": "fast"}, {"attributes": {"speed_kmh": "fast"}, "valid": False, "no_fix": True}),
        ({"alarm": "sos,door"}, {"alarm": "sos,door", "valid": False, "no_fix": True}),
        ({"alarm": "sos,dragon"}, {"attributes": {"alarm": "sos,dragon"}, "valid": False, "no_fix": True}),
        (
            {"attributes": {"rpm": 900, "x": None}, "y": [1]},
            {"attributes": {"rpm": 900, "y": [1]}, "valid": False, "no_fix": True},
        ),
    ],
)
def test_our_names(message: dict[str, Any], told: dict[str, Any]) -> None:
    [position] = read(codec("mqtt"), json.dumps({"id": "x", **message}).encode()).positions
    assert position == {"time": None, "attributes": {}, **told}


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b'{"x":1e999}'])
def test_what_is_no_json_is_said_so(data: bytes) -> None:
    with pytest.raises(CantRead, match="no JSON"):
        parse(data)
    assert "no JSON" in read(codec("mqtt"), data).errors[0]


@pytest.mark.parametrize(
    ("message", "logins"),
    [
        ({"_type": "location", "tst": 1, "lat": 1, "lon": 2, "topic": "owntracks/a/b"}, ["owntracks-a-b"]),
        ([{"ident": "x", "timestamp": 1}, {"ident": "y", "timestamp": 1}], ["x", "y"]),
        ([{"id": "x", "fuel_l": 1}, {"id": 7, "fuel_l": 1}], ["x", "7"]),
        ({"state": {"reported": {"ts": 1}}}, []),
    ],
)
def test_any_message_is_told_apart_by_its_looks(message: Any, logins: list[str]) -> None:
    told = read(codec("mqtt"), json.dumps(message).encode())
    assert (told.logins, told.errors) == (logins, [])
    assert len(told.positions) == max(1, len(logins))


@pytest.mark.parametrize(
    ("elements", "valid"),
    [
        pytest.param({"sat": 9}, True, id="satellites"),
        pytest.param({"sat": 0}, False, id="none"),
        pytest.param({}, True, id="not said"),
    ],
)
def test_a_place_is_believed_unless_no_satellite_was_seen(elements: dict[str, Any], valid: bool) -> None:
    assert read_theirs({"reported": {"latlng": "43.2,76.9", **elements}}).valid is valid
