"""Publishing where something is in the way: rights, a broker that is slow, a switch turned over and over, very many devices."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from telematics.config import MqttSettings
from telematics.devices import Device, Devices
from telematics.live import Bus
from telematics.mqtt import client as client_module
from telematics.mqtt import outbound
from telematics.mqtt.metrics import MqttMetrics
from telematics.mqtt.outbound import Outbound
from telematics.pipeline.state import Latest
from telematics.store.records import Event
from tests.mqtt.conftest import Broker, eventually
from tests.mqtt.test_outbound import listening, retained

START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = Latest(
    0, 1, START, START, START, True, 43.2, 76.9, *[None] * 14, alarms=0, total_m=0, moving=False, protocol="mqtt", attributes={}
)  # fmt: skip


class Office:
    """Devices of accounts, and what publishes them. `minute`: of their newest positions."""

    def __init__(self, url: str, devices: Iterable[Device]) -> None:
        self.devices = Devices()
        self.devices.put(devices)
        self.bus = Bus(self.devices)
        self.metrics = MqttMetrics()
        self.minute = 0
        self.outbound = Outbound(
            MqttSettings(url=url, client_id="office"),
            self.devices,
            self.bus,
            self.metrics,
            latest=self._latest,
            status=lambda device_id: ("online", START),
        )

    def _latest(self, ids: Iterable[int]) -> list[Latest]:
        now = START + timedelta(minutes=self.minute)
        return [msgspec.structs.replace(FIRST, device_id=device_id, time=now) for device_id in ids]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.outbound.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "EVERY_S", 0.05)
    monkeypatch.setattr(outbound, "SWEEP_S", 0.3)
    monkeypatch.setattr(client_module, "FIRST_S", 0.05)


def of_account(account_id: int, *numbers: int) -> list[Device]:
    return [Device(number, account_id, f"d{number}", f"Van {number}") for number in numbers]


async def test_an_account_switched_off_in_between_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Broker(tmp_path / "broker") as broker:
        office = Office(broker.url, of_account(1, *range(1, 501)))
        async with office.running():
            office.outbound.follow({1: False})
            await eventually(lambda: office.metrics.published > 100)
            assert len(office.outbound._told) < 500, "it is no longer in between"
            office.outbound.follow({})
            await eventually(lambda: not office.outbound.wanted)
            assert await retained(broker, "telematics/1/#") == []
            for wanted in ({1: False}, {}, {1: True}, {}, {1: False}):  # and over and over
                office.outbound.follow(wanted)
                await asyncio.sleep(0.02)
            await eventually(lambda: len(office.outbound._told) == 500)
            await eventually(lambda: gone(broker, "homeassistant/#"))
            assert len(set(await retained(broker, "telematics/1/+/state"))) == 500


async def test_more_than_one_look_finds_is_taken_back_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "STALE_KEPT", 20)
    async with Broker(tmp_path / "broker") as broker:
        async with broker.client() as client:
            for number in range(50):
                await client.publish(f"telematics/9/gone{number}/position", b"{}", qos=1, retain=True)
        office = Office(broker.url, [])
        office.outbound.follow({1: False})
        async with office.running():
            await eventually(lambda: gone(broker, "telematics/9/#"))


async def gone(broker: Broker, topic: str) -> bool:
    return await retained(broker, topic) == []


async def test_events_of_before_a_move_are_not_told_to_the_new_owner(tmp_path: Path) -> None:
    async with Broker(tmp_path / "broker") as broker:
        office = Office(broker.url, of_account(1, 7))
        office.outbound.follow({1: False, 2: False})
        async with office.running(), listening(broker) as listener:
            await eventually(lambda: "telematics/1/d7/state" in listener.retained)
            office.bus.publish(events=[Event(7, START, "alarm", "sos")])
            office.devices.put(of_account(2, 7))
            office.bus.publish(devices=[7])
            await eventually(lambda: "telematics/2/d7/state" in listener.retained)
            office.bus.publish(events=[Event(7, START, "ignitionOn")])
            await eventually(lambda: [one["type"] for one in listener.at("telematics/2/d7/event")] == ["ignitionOn"])
            assert listener.retained["telematics/1/d7/state"] == listener.retained["telematics/1/d7/position"] == b""


ACL = """
user telematics
topic readwrite telematics/#
topic readwrite homeassistant/#
topic read fleet/#

user anna
topic read telematics/1/#
topic read telematics/status

pattern write fleet/%u/#
"""


async def test_rights_by_the_acl_of_the_docs(tmp_path: Path) -> None:
    """Who may read account 1 reads nothing of account 2; a tracker may speak for itself alone. docs/mqtt.md has the same file."""
    docs = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text()
    assert ACL.strip() in docs
    names = {"telematics": "one", "anna": "two", "d1": "three"}
    (tmp_path / "passwords").write_text("".join(f"{name}:{password}\n" for name, password in names.items()))
    hash_passwords(tmp_path / "passwords")
    (tmp_path / "acl").write_text(ACL)
    (tmp_path / "acl").chmod(0o600)
    more = ("allow_anonymous false", f"password_file {tmp_path / 'passwords'}", f"acl_file {tmp_path / 'acl'}")
    async with Broker(tmp_path / "broker", *more) as broker:
        office = Office(broker.url.replace("//", "//telematics:one@"), [*of_account(1, 1), *of_account(2, 2)])
        office.outbound.follow({1: True, 2: True})
        async with office.running(), broker.client(username="anna", password="two") as anna:
            await anna.subscribe("#", qos=1)
            await anna.subscribe("telematics/#", qos=1)
            await eventually(lambda: office.metrics.published >= 23)
            await asyncio.sleep(0.2)
            heard = set()
            while len(anna.messages):
                heard.add(str((await anext(anna.messages)).topic))
            assert heard == {"telematics/1/d1/position", "telematics/1/d1/state", "telematics/status"}
            assert office.metrics.refused == 0
            async with (
                broker.client(username="telematics", password="one") as server,
                broker.client(username="d1", password="three") as tracker,
                broker.client(username="d1", password="three", protocol=aiomqtt.ProtocolVersion.V311) as liar,
            ):
                await server.subscribe("fleet/#", qos=1)
                await liar.publish("fleet/d2/position", b"spoofed", qos=1)
                await tracker.publish("fleet/d1/position", b"its own", qos=1)
                assert (await anext(server.messages)).payload == b"its own"


async def test_refused_messages_are_counted_and_told(tmp_path: Path) -> None:
    """Mosquitto 2.0.11 ends the connection after it has said so, and before we have heard it where more is on its way."""
    (tmp_path / "acl").write_text("topic readwrite homeassistant/#\n")
    (tmp_path / "acl").chmod(0o600)
    async with Broker(tmp_path / "broker", "allow_anonymous true", f"acl_file {tmp_path / 'acl'}") as broker:
        office = Office(broker.url, of_account(1, 1))
        office.outbound.follow({1: True})
        async with office.running():
            told = "the broker refuses what we publish (Not authorized): let our user write telematics/# and homeassistant/#"
            await eventually(lambda: office.metrics.refused > 1 and office.outbound.link._tries > 1)
            await eventually(lambda: office.outbound.trouble == told)


def hash_passwords(path: Path) -> None:
    subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True)
    path.chmod(0o600)


async def test_of_very_many_devices_no_step_takes_long(tmp_path: Path) -> None:
    """20,000 of one account, then a thousand accounts of 20: other things happen on the same loop."""
    longest_s = 0.0

    async def look() -> None:
        nonlocal longest_s
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest_s = max(longest_s, time.perf_counter() - before)

    async with Broker(tmp_path / "broker") as broker:
        for accounts in (1, 1000):
            office = Office(broker.url, [Device(n, n % accounts + 1, f"d{n}", f"Van {n}") for n in range(1, 20_001)])
            looking = asyncio.create_task(look())
            async with office.running():
                office.outbound.follow({account + 1: False for account in range(accounts)})
                await eventually(lambda office=office: office.metrics.published > 1_000)
            looking.cancel()
            assert longest_s < 0.5


class Deaf:
    """A broker that takes the connection and acknowledges nothing until it is told to."""

    def __init__(self) -> None:
        self.bytes = 0
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(bytes.fromhex("20 03 00 00 00"))
        while data := await reader.read(65536):
            self.bytes += len(data)
        writer.close()


async def test_a_broker_that_answers_nothing_costs_little() -> None:
    deaf = Deaf()
    async with deaf.listening():
        office = Office(f"mqtt://127.0.0.1:{deaf.port}", of_account(1, *range(1, 1001)))
        office.outbound.follow({1: False})
        async with office.running():
            await eventually(lambda: deaf.bytes > 0)
            for minute in range(200):
                office.minute = minute
                office.bus.publish(positions=range(1, 1001), events=[Event(1, START, "ignitionOn")] * 50)
                await asyncio.sleep(0.001)
            client = office.outbound.link.client
            assert client is not None
            assert len(client._client._out_messages) <= outbound.IN_FLIGHT
            account = office.outbound._accounts[1]
            assert len(account.events) + len(account.feed._news.events) <= 2 * outbound.EVENTS_KEPT
            assert deaf.bytes < 100_000


async def test_the_newest_position_is_what_goes_out(tmp_path: Path) -> None:
    async with Broker(tmp_path / "broker") as broker:
        office = Office(broker.url, of_account(1, 1))
        office.outbound.follow({1: False})
        async with office.running(), listening(broker) as listener:
            for minute in range(60):
                office.minute = minute
                office.bus.publish(positions=[1])
                await asyncio.sleep(0.005)
            await eventually(lambda: listener.at("telematics/1/d1/position")[-1:][0]["time"] == "2026-01-01T00:59:00.000Z")
            assert len(listener.at("telematics/1/d1/position")) < 30
            assert json.loads(listener.heard[-1].payload)["device_id"] == 1
