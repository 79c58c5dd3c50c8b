"""What trackers publish to a real Mosquitto: stored, once, and acknowledged to the broker when it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomqtt
import msgspec
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from protocols import codec
from telematics.commands.dead_letters import retry_all
from telematics.config import LimitSettings, MqttFieldSettings, MqttSettings, MqttSourceSettings, Settings
from telematics.devices import Device, Devices
from telematics.ingest.batch import Entry, Intake
from telematics.ingest.taps import Overheard
from telematics.mqtt.inbound import Inbound
from telematics.mqtt.metrics import MqttMetrics
from telematics.server import UNKNOWN_SAVED_S
from tests.conftest import new_database
from tests.mqtt.conftest import Broker, House, eventually, house

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCES = (
    MqttSourceSettings(topic="owntracks/+/+", kind="owntracks"),
    MqttSourceSettings(topic="+/data", kind="teltonika"),
    MqttSourceSettings(topic="flespi/message/gw/devices/#", kind="flespi"),
    MqttSourceSettings(topic="fleet/{id}/position"),
    MqttSourceSettings(topic="many"),
    MqttSourceSettings(
        topic="sensors/{id}",
        fields={
            "time": "when",
            "latitude": "gps.point.1",
            "longitude": "gps.point.0",
            "speed_kmh": MqttFieldSettings(path="gps.speed", unit="m/s"),
            "odometer_m": MqttFieldSettings(path="counters.odo.km", unit="km"),
            "power_v": MqttFieldSettings(path="supply", unit="mV"),
            "ignition": "engine.on",
            "driver": "driver.name",
        },
    ),
)
PHONE = {"_type": "location", "tst": 1767225600, "lat": 43.2, "lon": 76.9, "vel": 36, "batt": 80, "acc": 12, "tid": "ja"}
BOX = {  # the layout that FMB's send, values by hand
    "ts": 1767225600000, "pr": 1, "latlng": "43.200000,76.900000", "alt": 700, "ang": 90, "sat": 14, "sp": 36, "evt": 239,
    "239": 1, "240": 1, "21": 4, "66": 12850, "67": 4010, "16": 15056, "11": 893116211000001, "78": "0x0000000000000000",
    "72": -55, "253": 2,
}  # fmt: skip
GATEWAY = [
    {"ident": "one", "timestamp": 1767225600.5, "position.latitude": 43.2, "position.longitude": 76.9, "position.speed": 36},
    {"ident": "two", "timestamp": 1767225601, "engine.ignition.status": True},
]
OURS = {"time": "2026-01-01T00:00:00Z", "latitude": 43.2, "longitude": 76.9, "speed_kmh": 36, "ignition": True, "alarm": "sos"}
SENSOR = {
    "when": 1767225600000,
    "gps": {"point": [76.9, 43.2], "speed": "10"},
    "counters": {"odo.km": 15.5},
    "supply": 12850,
    "engine": {"on": True},
    "driver": {"name": "Ann"},
}
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(broker: Broker, server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One server for all tests that don't stop it."""
    with new_database(server_url, template) as url:
        settings = Settings(database_url=url, data_dir=tmp_path_factory.mktemp("data"))
        async with house(settings, MqttSettings(url=broker.url, sources=SOURCES)) as home:
            await eventually(lambda: subscribed(home))
            yield home


def subscribed(home: House) -> bool:
    inbound = home.server.mqtt.inbound
    return inbound is not None and inbound.subscribed


async def publish(broker: Broker, topic: str, payload: Any, **more: Any) -> None:
    """Taken by the broker when this returns."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    async with broker.client() as client:
        await client.publish(topic, data, qos=more.pop("qos", 1), **more)


@pytest.mark.parametrize(
    ("unique_id", "topic", "payload", "protocol", "row"),
    [
        pytest.param(
            "owntracks-jane-phone", "owntracks/jane/phone", PHONE, "owntracks",
            {"latitude": 43.2, "longitude": 76.9, "speed_kmh": 36.0, "battery_percent": 80.0, "accuracy_m": 12.0},
            id="OwnTracks, named by its topic",
        ),
        pytest.param(
            "356307042441013", "356307042441013/data", {"state": {"reported": BOX}}, "mqtt",
            {
                "latitude": 43.2, "longitude": 76.9, "speed_kmh": 36.0, "altitude_m": 700.0, "course_deg": 90.0,
                "satellites": 14.0, "ignition": True, "motion": True, "gsm": 4.0, "power_v": 12.85, "battery_v": 4.01,
                "odometer_m": 15056.0,
                "attributes": {"priority": 1, "event": 239, "iccid": "893116211000001", "temp1": -5.5, "io253": 2},
            },
            id="Teltonika, named by its topic",
        ),
        pytest.param(
            "van", "fleet/van/position", OURS, "mqtt",
            {"latitude": 43.2, "longitude": 76.9, "speed_kmh": 36.0, "ignition": True, "attributes": {}},
            id="our own names",
        ),
        pytest.param(
            "s1", "sensors/s1", SENSOR, "mqtt",
            {
                "latitude": 43.2, "longitude": 76.9, "speed_kmh": 36.0, "ignition": True, "odometer_m": 15500.0, "power_v": 12.85,
                "attributes": {"driver": "Ann"},
            },
            id="other names, by a field map",
        ),
    ],
)  # fmt: skip
async def test_each_kind_is_stored(
    home: House, broker: Broker, unique_id: str, topic: str, payload: Any, protocol: str, row: dict[str, Any]
) -> None:
    [device_id] = await home.add(unique_id)
    await publish(broker, topic, payload)
    await eventually(lambda: stored_all(home, {device_id: 1}))
    [latest] = home.server.latest([device_id])
    told = msgspec.structs.asdict(latest)
    assert latest.time == START
    assert latest.protocol == protocol
    assert {name: told[name] for name in row} == row
    assert await home.stored(device_id) == [(START, 43.2, 76.9)]


async def test_one_message_may_hold_many_trackers(home: House, broker: Broker) -> None:
    one, two, three, four = await home.add("one", "two", "3", "4")
    await publish(broker, "flespi/message/gw/devices/1", GATEWAY)
    await publish(broker, "many", [{**OURS, "id": 3}, {**OURS, "id": "4"}, {**OURS, "id": 3, "time": "2026-01-01T00:01:00Z"}])
    await eventually(lambda: stored_all(home, {one: 1, two: 1, three: 2, four: 1}))
    assert await home.stored(one) == [(START + timedelta(seconds=0.5), 43.2, 76.9)]
    assert await home.stored(two) == [(START + timedelta(seconds=1), None, None)]


async def stored_all(home: House, counts: dict[int, int]) -> bool:
    return {device_id: len(await home.stored(device_id)) for device_id in counts} == counts


async def test_strangers_are_listed_and_let_go(home: House, broker: Broker) -> None:
    await publish(broker, "fleet/nobody/position", OURS)
    await asyncio.sleep(UNKNOWN_SAVED_S)
    unknown = "SELECT protocol, address FROM unknown_trackers WHERE unique_id = 'nobody'"
    await eventually(lambda: home.rows(unknown))
    assert await home.rows(unknown) == [("mqtt", "fleet/nobody/position")]
    await eventually(lambda: waiting(home) == 0)


def waiting(home: House) -> int:
    """Messages that the broker waits to hear of."""
    assert home.server.mqtt.inbound is not None
    client = home.server.mqtt.inbound.link.client
    assert client is not None
    return len(client.unacknowledged)


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        pytest.param("fleet/poison/position", b"\xff\x00{", "no JSON", id="no JSON"),
        pytest.param("fleet/poison/position", b"[" * 5000, "no JSON", id="a tower"),
        pytest.param("fleet/poison/position", {**OURS, "latitude": 91}, "no place: 91, 76.9", id="no place"),
        pytest.param("fleet/poison/position", {**OURS, "time": "soon"}, "no time: soon", id="no time"),
        pytest.param("fleet/poison/position", {"x": json.loads("[" * 50 + "]" * 50)}, "nested deeper", id="nested"),
        pytest.param("sensors/poison", {"what": 1}, "nothing of the field map", id="none of the fields"),
        pytest.param("owntracks/x/poison", {"_type": "encrypted"}, "encrypted messages", id="encrypted"),
        pytest.param("poison/data", {"state": {}}, "no state.reported", id="no report of Teltonika's"),
        pytest.param("flespi/message/gw/devices/9", [{}], "no message says by ident", id="nobody's"),
        pytest.param("many", OURS, "the tracker's id is missing", id="without an id"),
        pytest.param("fleet/poison/position", b'{"x": "' + b"x" * 131_072 + b'"}', "at most 131072 bytes", id="too large"),
    ],
)
async def test_poison_is_set_aside_and_acknowledged(home: House, broker: Broker, topic: str, payload: Any, reason: str) -> None:
    await home.run("DELETE FROM dead_letters")
    await publish(broker, topic, payload)
    letters = "SELECT protocol, address, reason FROM dead_letters"
    await eventually(lambda: home.rows(letters))
    [(protocol, address, told)] = await home.rows(letters)
    assert (protocol, address) == ("mqtt", topic)
    assert reason in told
    await eventually(lambda: waiting(home) == 0)


async def test_what_was_set_aside_is_read_again(home: House, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the reader was mended: the raw message is told apart by its looks, and its tracker kept from the topic."""
    [box, phone] = await home.add("352093081429150", "owntracks-joe-phone")
    await home.run("DELETE FROM dead_letters")

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("telematics.mqtt.inbound.payload", broken)
        await publish(broker, "352093081429150/data", {"state": {"reported": BOX}})
        await publish(broker, "owntracks/joe/phone", {**PHONE, "topic": "owntracks/joe/phone"})
        await eventually(lambda: home.one("SELECT count(*) = 2 FROM dead_letters"))
    result = await retry_all(home.server.database)
    assert (result.read, result.stored, result.left) == (2, 2, 0)
    assert await home.stored(phone) == await home.stored(box) == [(START, 43.2, 76.9)]


async def test_what_is_sent_twice_is_stored_once(home: House, broker: Broker) -> None:
    [device_id] = await home.add("twice")
    for _ in range(3):
        await publish(broker, "fleet/twice/position", OURS)
    await publish(broker, "fleet/twice/position", {**OURS, "time": "2026-01-01T00:05:00Z"})
    await eventually(lambda: stored_all(home, {device_id: 2}))


async def test_of_qos_0_it_is_stored_as_well(home: House, broker: Broker) -> None:
    [device_id] = await home.add("hasty")
    await publish(broker, "fleet/hasty/position", OURS, qos=0)
    await eventually(lambda: stored_all(home, {device_id: 1}))


async def test_prometheus_reads_it(home: House) -> None:
    def sample(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"telematics_mqtt_{name}", labels)

    assert (sample("connected", direction="in"), sample("connected", direction="out")) == (1, 0)
    assert (sample("received_total") or 0) >= 10
    assert (sample("dead_total") or 0) >= 10
    assert (sample("unacknowledged"), sample("lag_seconds")) == (0, 0)
    assert sample("dropped_total", reason="unknown tracker")


# --- The broker is told after the commit -------------------------------------------------------------------------------------


class Keeper:
    """Our subscriber with an intake that nobody takes from until it is told to."""

    def __init__(self, url: str, client_id: str, limits: LimitSettings | None = None, **more: Any) -> None:
        self.devices = Devices()
        self.devices.put(Device(number, 1, f"d{number}", f"d{number}") for number in range(50))
        self.intake = Intake(limits or LimitSettings(), self.devices)
        self.metrics = MqttMetrics()
        settings = MqttSettings(url=url, client_id=client_id, sources=SOURCES, **more)
        self.inbound = Inbound(settings, self.intake, self.devices, self.metrics)
        self.committed: list[Entry] = []

    def commit(self) -> int:
        """As the worker does it. How many frames of reports there were."""
        entries, _, _ = self.intake.take()
        for entry in entries:
            entry.source.acknowledge(b"".join(frame.ack for frame in entry.frames), False)
        self.committed += entries
        return sum(entry.device is not None for entry in entries)

    @property
    def waiting(self) -> int:
        client = self.inbound.link.client
        return -1 if client is None else len(client.unacknowledged)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Keeper]:
        task = asyncio.create_task(self.inbound.run())
        try:
            await eventually(lambda: self.inbound.subscribed)
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def said(self) -> list[tuple[int, int]]:
        """Device and milliseconds of all that was committed."""
        decode = codec("mqtt").decode
        found = [(entry.device, decode(entry.frames).columns) for entry in self.committed if entry.device is not None]
        return [(device.id, int(time)) for device, columns in found for time in columns.time.astype("i8").tolist()]


async def numbered(client: aiomqtt.Client, numbers: Iterable[int]) -> None:
    """A message each, of one of 50 trackers; all taken by the broker when this returns."""
    messages = [(f"fleet/d{number % 50}/position", {**OURS, "time": 1_767_225_600 + number}) for number in numbers]
    for start in range(0, len(messages), 20):
        some = messages[start : start + 20]
        await asyncio.gather(*(client.publish(topic, json.dumps(payload), qos=1) for topic, payload in some))


async def test_who_listens_in_hears_the_message(broker: Broker) -> None:
    keeper = Keeper(broker.url, "tapped")
    async with keeper.running(), broker.client() as client:
        with keeper.intake.taps.listen("d7") as tap:
            await numbered(client, [6, 7])
            await client.publish("fleet/d7/position", b"{", qos=1)
            heard: list[Overheard] = []
            while len(heard) < 2:
                heard += await tap.wait()
        assert [(one.address, len(one.frames), len(one.rejects)) for one in heard] == [
            ("fleet/d7/position", 1, 0),
            ("fleet/d7/position", 0, 1),
        ]
        assert json.loads(heard[0].data)["latitude"] == 43.2


async def test_of_a_message_for_several_trackers_each_ones_listener_hears_its_own_part(broker: Broker) -> None:
    keeper = Keeper(broker.url, "tapped-together")
    async with keeper.running(), broker.client() as client:
        with keeper.intake.taps.listen("d7") as tap:
            both = [{**OURS, "id": "d7", "time": 1_767_225_600}, {**OURS, "id": "d8", "latitude": 11.25, "time": 1_767_225_601}]
            await client.publish("many", json.dumps(both), qos=1)
            async with asyncio.timeout(10):
                (one,) = await tap.wait()
    assert (one.shared, one.data, len(one.frames)) == (True, b"", 1)
    assert b"11.25" not in one.frames[0].payload


async def test_acknowledged_is_what_was_committed(broker: Broker) -> None:
    first = Keeper(broker.url, "careful")
    async with first.running(), broker.client() as client:
        await numbered(client, range(3))
        await eventually(lambda: first.waiting == 3)
        assert first.commit() == 3
        assert first.waiting == 0
        await numbered(client, range(3, 5))
        await eventually(lambda: first.waiting == 2)
    second = Keeper(broker.url, "careful")  # after a crash before the commit
    async with second.running(), broker.client() as client:
        await numbered(client, [5])
        await eventually(lambda: second.waiting == 3)
        second.commit()
        assert [time - 1_767_225_600_000 for _, time in second.said()] == [3000, 4000, 5000]


async def test_the_broker_keeps_what_we_have_no_room_for(broker: Broker) -> None:
    keeper = Keeper(broker.url, "small", waiting_messages=10)
    async with keeper.running(), broker.client() as client:
        await numbered(client, range(100))
        await eventually(lambda: keeper.waiting == 10)
        await asyncio.sleep(0.1)
        assert keeper.waiting == keeper.intake.waiting_frames == 10
        await eventually(lambda: keeper.commit() == 0 and len(keeper.committed) == 100)
        assert [time - 1_767_225_600_000 for _, time in keeper.said()] == [number * 1000 for number in range(100)]


async def test_of_qos_0_the_broker_waits_as_well(broker: Broker) -> None:
    keeper = Keeper(broker.url, "full", LimitSettings(waiting_frames=10))
    async with keeper.running(), broker.client() as client:
        for number in range(40):
            await client.publish(f"fleet/d{number}/position", json.dumps(OURS), qos=0)
        await eventually(lambda: keeper.intake.full)
        await asyncio.sleep(0.1)
        assert keeper.intake.waiting_frames == 11
        await eventually(lambda: keeper.commit() == 0 and len(keeper.committed) == 40)


async def test_two_that_share_split_the_messages(broker: Broker) -> None:
    one, two = Keeper(broker.url, "left", share="crew"), Keeper(broker.url, "right", share="crew")
    async with one.running(), two.running(), broker.client() as client:
        await numbered(client, range(200))
        await eventually(lambda: one.commit() + two.commit() == 0 and len(one.committed) + len(two.committed) == 200)
        said = sorted(time for keeper in (one, two) for _, time in keeper.said())
        assert said == [1_767_225_600_000 + number * 1000 for number in range(200)]
        assert min(len(one.committed), len(two.committed)) > 20


async def test_a_broker_of_old_is_spoken_to_in_its_own_words(broker: Broker) -> None:
    """MQTT 3.1.1: no shared subscriptions and no Receive Maximum."""
    keeper = Keeper(broker.url, "old", waiting_messages=5)
    keeper.inbound.link.version = aiomqtt.ProtocolVersion.V311
    async with keeper.running(), broker.client() as client:
        assert keeper.inbound.link.client is not None
        assert not keeper.inbound.link.client.shares
        await numbered(client, range(40))
        await eventually(lambda: keeper.waiting == 5)
        await asyncio.sleep(0.1)
        assert keeper.waiting == 5
        await eventually(lambda: keeper.commit() == 0 and len(keeper.committed) == 40)
