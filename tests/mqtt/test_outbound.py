"""What goes out to a real Mosquitto: positions, states and events of accounts that want it, and what Home Assistant is told."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio

from telematics.config import MqttSettings, MqttSourceSettings, Settings
from telematics.devices import Device, Devices
from telematics.live import Bus
from telematics.mqtt import outbound
from telematics.mqtt.discovery import Discovery
from telematics.mqtt.metrics import MqttMetrics
from telematics.mqtt.topics import harmless
from tests.conftest import new_database
from tests.mqtt.conftest import Broker, House, eventually, house

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIX = {"time": "2026-01-01T00:00:00Z", "latitude": 43.2, "longitude": 76.9}
TELEMETRY = {
    "speed_kmh": 36, "accuracy_m": 12, "ignition": True, "power_v": 12.5, "battery_percent": 80, "odometer_m": 15500,
    "fuel_l": 40,
}  # fmt: skip


class Listener:
    """Somebody who subscribes to everything."""

    def __init__(self) -> None:
        self.heard: list[aiomqtt.Message] = []

    @property
    def retained(self) -> dict[str, Any]:
        """The last of each topic."""
        return {str(one.topic): json.loads(one.payload) if one.payload[:1] == b"{" else one.payload for one in self.heard}

    def at(self, topic: str) -> list[Any]:
        return [json.loads(one.payload) for one in self.heard if str(one.topic) == topic and one.payload]


@asynccontextmanager
async def listening(broker: Broker) -> AsyncIterator[Listener]:
    listener = Listener()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            listener.heard.append(message)

    async with broker.client() as client:
        await client.subscribe("#", qos=1)
        task = asyncio.create_task(listen(client))
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def retained(broker: Broker, topic: str) -> list[str]:
    """The topics that the broker keeps something of."""
    async with broker.client() as client:
        await client.subscribe(topic, qos=1)
        await asyncio.sleep(0.1)
        found = []
        while len(client.messages):
            found.append(str((await anext(client.messages)).topic))
        return sorted(found)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(broker: Broker, server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    patch = pytest.MonkeyPatch()
    patch.setattr(outbound, "EVERY_S", 0.05)
    patch.setattr(outbound, "SWEEP_S", 0.3)
    async with broker.client() as client:  # what a life before this one left behind
        for topic in ("telematics/9/gone/position", "telematics/9/gone/state", "homeassistant/sensor/telematics_99/speed/config"):
            await client.publish(topic, b"{}", qos=1, retain=True)
        await client.publish("homeassistant/sensor/other_99/speed/config", b"{}", qos=1, retain=True)
    with new_database(server_url, template) as url:
        settings = Settings(database_url=url, data_dir=tmp_path_factory.mktemp("data"))
        mqtt = MqttSettings(url=broker.url, sources=(MqttSourceSettings(topic="in/{id}"),))
        async with house(settings, mqtt) as home:
            await home.add("first")
            await eventually(lambda: home.server.mqtt.inbound is not None and home.server.mqtt.inbound.subscribed)
            yield home
    patch.undo()


async def switch(home: House, *, publish: bool, discovery: bool) -> None:
    await home.run("UPDATE accounts SET mqtt_publish = %s, mqtt_discovery = %s WHERE id = %s", publish, discovery, home.account)


async def report(broker: Broker, unique_id: str, **more: Any) -> None:
    async with broker.client() as client:
        await client.publish(f"in/{unique_id}", json.dumps({**FIX, **more}), qos=1)


async def test_nothing_goes_out_before_it_is_wanted(home: House, broker: Broker) -> None:
    async with listening(broker) as listener:
        await report(broker, "first", **TELEMETRY)
        await eventually(lambda: home.server.latest([1]))
        await asyncio.sleep(0.2)
        told = {str(one.topic) for one in listener.heard if not one.retain}
        assert told == {"in/first"}


async def test_positions_states_and_events_go_out(home: House, broker: Broker) -> None:
    async with listening(broker) as listener:
        await switch(home, publish=True, discovery=False)
        base = f"telematics/{home.account}/first"
        await eventually(lambda: {f"{base}/position", f"{base}/state", "telematics/status"} <= listener.retained.keys())
        await report(broker, "first", **{**TELEMETRY, "time": "2026-01-01T00:00:10Z", "ignition": False, "alarm": "sos"})
        await eventually(lambda: len({one["type"] for one in listener.at(f"{base}/event")} & {"alarm", "ignitionOff"}) == 2)
        await eventually(lambda: listener.at(f"{base}/position")[-1]["time"] == "2026-01-01T00:00:10.000Z")
        position = listener.at(f"{base}/position")[-1]
        assert abs((datetime.now(UTC) - datetime.fromisoformat(position.pop("received"))).total_seconds()) < 60
        assert position == {
            "device_id": 1, "unique_id": "first", "name": "Van first", "time": "2026-01-01T00:00:10.000Z",
            "fix_time": "2026-01-01T00:00:10.000Z", "valid": True, "latitude": 43.2, "longitude": 76.9, "speed_kmh": 36.0,
            "accuracy_m": 12.0, "gps_accuracy": 12.0, "ignition": False, "power_v": 12.5, "battery_percent": 80.0,
            "odometer_m": 15500.0, "odometer_km": 15.5, "fuel_l": 40.0, "moving": True, "total_m": 0.0, "protocol": "mqtt",
            "attributes": {}, "alarm": "sos",
        }  # fmt: skip
        state = listener.at(f"{base}/state")[-1]
        assert {**state, "heard": ""} == {
            "device_id": 1, "unique_id": "first", "name": "Van first", "status": "online", "online": True, "disabled": False,
            "heard": "",
        }  # fmt: skip
        alarm = next(one for one in listener.at(f"{base}/event") if one["type"] == "alarm")
        assert alarm == {
            "device_id": 1, "unique_id": "first", "name": "Van first", "type": "alarm", "subject": "sos",
            "time": "2026-01-01T00:00:10.000Z", "position_id": alarm["position_id"],
            "attributes": {"alarm": "sos"},
        }  # fmt: skip
        assert listener.retained["telematics/status"] == b"online"
    assert await retained(broker, f"{base}/#") == [f"{base}/position", f"{base}/state"]
    assert await retained(broker, "telematics/status") == ["telematics/status"]


async def test_what_an_earlier_life_left_is_taken_back_and_only_that(home: House, broker: Broker) -> None:
    await eventually(lambda: gone(broker, "telematics/9/#"))
    await eventually(lambda: gone(broker, "homeassistant/+/telematics_99/#"))
    assert await retained(broker, "homeassistant/#") == ["homeassistant/sensor/other_99/speed/config"]
    assert len(await retained(broker, f"telematics/{home.account}/#")) == 2


async def gone(broker: Broker, topic: str) -> bool:
    return await retained(broker, topic) == []


async def test_home_assistant_is_told_of_a_device_until_it_is_removed(home: House, broker: Broker) -> None:
    await switch(home, publish=True, discovery=True)
    [number] = await home.add("a/b+c#d")
    await report(broker, "first", time="2026-01-01T00:01:00Z")
    node, base = f"telematics_{number}", f"telematics/{home.account}/a%2Fb%2Bc%23d"
    async with listening(broker) as listener:
        await eventually(lambda: sum(f"/{node}/" in topic for topic in listener.retained) == 9)
        await eventually(lambda: f"{base}/state" in listener.retained)
        await home.run("UPDATE devices SET name = 'Truck' WHERE id = %s", number)
        tracker = f"homeassistant/device_tracker/{node}/tracker/config"
        await eventually(lambda: listener.retained[tracker]["device"]["name"] == "Truck")
        await home.run("DELETE FROM devices WHERE id = %s", number)
        await eventually(lambda: not listener.retained[tracker] and not listener.retained[f"{base}/state"])
    assert [topic for topic in await retained(broker, "#") if node in topic or base in topic] == []
    await switch(home, publish=True, discovery=False)
    await eventually(lambda: gone(broker, "homeassistant/+/telematics_1/#"))
    assert len(await retained(broker, f"telematics/{home.account}/#")) == 2


async def test_of_a_blocked_device_nobody_is_told(home: House, broker: Broker) -> None:
    [number] = await home.add("blocked")
    topic = f"telematics/{home.account}/blocked/#"
    await eventually(lambda: retained(broker, topic))
    device = home.server.devices.get(number)
    assert device is not None
    home.server._put(Device(number, device.account_id, "blocked", "Van blocked", blocked="unpaid"))
    await eventually(lambda: gone(broker, topic))
    home.server._put(device)
    await eventually(lambda: retained(broker, topic))


async def test_a_device_of_another_account_is_told_there_alone(home: House, broker: Broker) -> None:
    [number] = await home.add("moved")
    await eventually(lambda: retained(broker, f"telematics/{home.account}/moved/#"))
    other = await home.one("INSERT INTO accounts (name, mqtt_publish) VALUES ('Boris Ltd', true) RETURNING id")
    await home.run("UPDATE accounts SET name = 'Boris' WHERE id = %s", other)
    device = home.server.devices.get(number)
    assert device is not None
    home.server._put(Device(number, other, "moved", "Van moved"))
    await eventually(lambda: retained(broker, f"telematics/{other}/moved/#"))
    await eventually(lambda: gone(broker, f"telematics/{home.account}/moved/#"))


async def test_an_account_that_wants_it_no_more_is_taken_back(home: House, broker: Broker) -> None:
    await switch(home, publish=False, discovery=True)
    await eventually(lambda: gone(broker, f"telematics/{home.account}/#"))
    async with listening(broker) as listener:
        await report(broker, "first", time="2026-01-01T00:02:00Z")
        await asyncio.sleep(0.2)
        assert {str(one.topic) for one in listener.heard if not one.retain} == {"in/first"}


async def test_the_last_will_and_the_farewell_say_offline(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with Broker(tmp_path_factory.mktemp("will")) as broker:
        devices = Devices()
        told = outbound.Outbound(
            MqttSettings(url=broker.url),
            devices,
            Bus(devices),
            MqttMetrics(),
            latest=lambda ids: [],
            status=lambda device_id: ("unknown", None),
        )
        told.follow({1: False})
        async with listening(broker) as listener:

            def statuses() -> list[bytes]:
                return [bytes(one.payload) for one in listener.heard if str(one.topic) == "telematics/status"]

            task = asyncio.create_task(told.run())
            await eventually(lambda: statuses() == [b"online"])
            assert told.link.client is not None
            sock = told.link.client._client.socket()
            assert isinstance(sock, socket.socket)
            sock.shutdown(socket.SHUT_RDWR)
            await eventually(lambda: statuses() == [b"online", b"offline", b"online"])
            await told.say_goodbye()
            await eventually(lambda: statuses()[-1] == b"offline")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


# --- What Home Assistant documents -------------------------------------------------------------------------------------------

COMMON = {"name", "unique_id", "availability_topic", "qos", "device", "origin", "icon", "entity_category"}
DOCUMENTED = {  # "Configuration variables" of home-assistant.io/integrations/device_tracker.mqtt, sensor.mqtt, binary_sensor.mqtt
    "device_tracker": COMMON | {"json_attributes_topic", "source_type"},
    "sensor": COMMON
    | {"state_topic", "value_template", "device_class", "unit_of_measurement", "state_class", "suggested_display_precision"},
    "binary_sensor": COMMON | {"state_topic", "value_template", "device_class", "payload_on", "payload_off"},
}
CLASSES = {  # device classes and the units they may have: home-assistant.io/integrations/sensor, binary_sensor
    "speed": "km/h", "battery": "%", "voltage": "V", "distance": "km", "volume_storage": "L", "moving": None,
    "connectivity": None,
}  # fmt: skip


async def test_discovery_says_what_home_assistant_documents() -> None:
    device = Device(7, 3, "a/b", "Van 7")
    base = f"telematics/3/{harmless('a/b')}"
    messages = {topic: json.loads(payload) for topic, payload in Discovery("homeassistant", "telematics").messages(device, base)}
    assert sorted(topic.split("/")[1:4] for topic in messages) == [
        ["binary_sensor", "telematics_7", "ignition"],
        ["binary_sensor", "telematics_7", "motion"],
        ["binary_sensor", "telematics_7", "online"],
        ["device_tracker", "telematics_7", "tracker"],
        ["sensor", "telematics_7", "battery"],
        ["sensor", "telematics_7", "fuel"],
        ["sensor", "telematics_7", "odometer"],
        ["sensor", "telematics_7", "power"],
        ["sensor", "telematics_7", "speed"],
    ]
    assert len({message["unique_id"] for message in messages.values()}) == len(messages)
    for topic, message in messages.items():
        prefix, component, node, _, last = topic.split("/")
        assert (prefix, node, last) == ("homeassistant", "telematics_7", "config")
        assert message.keys() <= DOCUMENTED[component]
        assert message["device"] == {"identifiers": ["telematics_7"], "name": "Van 7", "serial_number": "a/b"}
        assert set(message["origin"]) == {"name", "sw_version"}
        assert message["availability_topic"] == "telematics/status"
        assert message.get("entity_category", "diagnostic") == "diagnostic"
        assert message.get("state_class", "measurement") in ("measurement", "total_increasing")
        if "device_class" in message:
            assert message.get("unit_of_measurement") == CLASSES[message["device_class"]]
        if component == "device_tracker":
            assert message["source_type"] == "gps"
            assert message["json_attributes_topic"] == "telematics/3/a%2Fb/position"
            assert message["name"] is None
        else:
            assert message["state_topic"] in ("telematics/3/a%2Fb/position", "telematics/3/a%2Fb/state")
            assert message["value_template"].startswith("{{ value_json.")
        if component == "binary_sensor":
            assert (message["payload_on"], message["payload_off"]) == ("True", "False")


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("356307042441013", "356307042441013"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("+#$ \x00\n", "%2B%23%24%20%00%0A"),
        ("Ғазель №7", "Ғазель%20№7"),
        ("\uffff", "%EF%BF%BF"),
    ],
)
async def test_names_are_harmless_in_topics(name: str, level: str) -> None:
    assert harmless(name) == level


async def test_whose_a_discovery_topic_is() -> None:
    discovery = Discovery("homeassistant", "fleet/east")
    [topic, *_] = discovery.topics(12)
    assert topic == "homeassistant/device_tracker/fleet_east_12/tracker/config"
    assert discovery.device_of(topic) == 12
    for other in (
        "homeassistant/sensor/fleet_east_x/a/config",
        "homeassistant/sensor/other_12/a/config",
        "x",
        "homeassistant/a/b",
    ):
        assert discovery.device_of(other) is None
