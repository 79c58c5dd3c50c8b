"""Messages and brokers that nobody wishes for: what is retained, our own, too large, too many, or killed in between."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
import pytest_asyncio
from pydantic import ValidationError

from protocols.mqtt import LARGEST_BYTES, MOST
from telematics.config import MqttSettings, MqttSourceSettings, Settings
from telematics.mqtt import client as client_module
from telematics.mqtt.inbound import CUT_BYTES
from telematics.mqtt.sources import sources
from tests.mqtt.conftest import Broker, eventually, house
from tests.mqtt.test_inbound import OURS, SOURCES, Keeper, numbered, subscribed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    async with Broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311])
async def test_what_was_retained_doesnt_come_as_if_it_were_new(broker: Broker, version: aiomqtt.ProtocolVersion) -> None:
    """A place without a time would be one of now, and a tracker that is silent for a month would be online."""
    keeper = Keeper(broker.url, f"retained-{version.name}")
    keeper.inbound.link.version = version
    async with broker.client() as client:
        await client.publish("fleet/d1/position", b'{"latitude": 1, "longitude": 1}', qos=1, retain=True)
        async with keeper.running():
            live = {**OURS, "time": 1_767_225_607}
            await client.publish("fleet/d2/position", json.dumps(live), qos=1, retain=True)  # new, whatever comes of it later
            await eventually(lambda: keeper.commit() == 0 and keeper.waiting == 0 and keeper.said())
            assert keeper.said() == [(2, 1_767_225_607_000)]
        for topic in ("fleet/d1/position", "fleet/d2/position"):
            await client.publish(topic, b"", qos=1, retain=True)


async def test_our_own_messages_dont_come_back(broker: Broker) -> None:
    keeper = Keeper(broker.url, "wide")
    keeper.inbound.sources = sources([MqttSourceSettings(topic="#")])
    async with keeper.running(), broker.client() as client:
        for topic in ("telematics/1/d1/position", "telematics/status", "homeassistant/sensor/telematics_1/speed/config"):
            await client.publish(topic, json.dumps(OURS), qos=1)
        await client.publish("others", json.dumps({**OURS, "id": "d3"}), qos=1)
        await eventually(lambda: keeper.commit() == 0 and keeper.waiting == 0 and keeper.said())
        assert [device_id for device_id, _ in keeper.said()] == [3]
        assert keeper.metrics.dropped["our own"] == 3
        assert keeper.metrics.dead == 0


@pytest.mark.parametrize("topic", ["telematics/{id}/position", "telematics/#", "telematics"])
async def test_a_source_where_we_publish_is_refused(topic: str) -> None:
    with pytest.raises(ValidationError, match="is where we publish ourselves"):
        MqttSettings(sources=(MqttSourceSettings(topic=topic),))
    assert MqttSettings(prefix="ours", sources=(MqttSourceSettings(topic=topic),)).sources


async def test_of_large_messages_a_piece_is_kept_and_of_huge_ones_nothing(broker: Broker) -> None:
    keeper = Keeper(broker.url, "large")
    async with keeper.running(), broker.client() as client:
        await client.publish("fleet/d1/position", b"x" * 900_000, qos=1)
        await client.publish("fleet/d1/position", b"x" * 5_000_000, qos=1)
        await client.publish("fleet/d1/position", b'{"x": "' + b"y" * (LARGEST_BYTES - 100) + b'"}', qos=1)
        await client.publish("many", b"[" + b"{}," * MOST + b"{}]", qos=1)
        await numbered(client, [5])
        await eventually(lambda: keeper.waiting == 4)
        _, rejects, _ = keeper.intake.take()
        assert [len(reject.bad.frame) for reject in rejects] == [CUT_BYTES, 3 * MOST + 4]
        assert f"at most {MOST} reports" in rejects[1].bad.reason


async def test_flespis_may_not_be_more_either() -> None:
    [source] = sources([MqttSourceSettings(topic="flespi", kind="flespi")])
    with pytest.raises(Exception, match=f"at most {MOST} reports"):
        source.read("flespi", b"[" + b",".join([b'{"ident":"1"}'] * (MOST + 1)) + b"]")


async def test_after_a_crash_it_all_comes_again(broker: Broker) -> None:
    """The socket ends without a word, and nothing was acknowledged."""
    first = Keeper(broker.url, "crashed", waiting_messages=50)
    async with broker.client() as client:
        async with first.running():
            await numbered(client, range(30))
            await eventually(lambda: first.waiting == 30)
            assert first.inbound.link.client is not None
            sock = first.inbound.link.client._client.socket()
            assert isinstance(sock, socket.socket)
            sock.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0.05)
        second = Keeper(broker.url, "crashed")
        async with second.running():
            await eventually(lambda: second.waiting == 30)
            assert second.commit() == 30
            assert [time - 1_767_225_600_000 for _, time in second.said()] == [number * 1000 for number in range(30)]


async def test_a_broker_that_was_killed_is_subscribed_to_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had in memory is lost, its sessions as well: nothing else is."""
    monkeypatch.setattr(client_module, "FIRST_S", 0.05)
    async with Broker(tmp_path / "broker") as broker:
        keeper = Keeper(broker.url, "survivor")
        async with keeper.running():
            async with broker.client() as client:
                await numbered(client, range(5))
                await eventually(lambda: keeper.waiting == 5)
            await broker.kill()
            await eventually(lambda: not keeper.inbound.subscribed)
            await broker.start()
            await asyncio.sleep(0.2)
            assert not keeper.inbound.subscribed  # not before the first five are stored
            assert keeper.commit() == 5
            await eventually(lambda: keeper.inbound.subscribed)
            async with broker.client() as client:
                await numbered(client, range(5, 10))
                await eventually(lambda: keeper.commit() == 0 and len(keeper.committed) == 10)
            assert sorted(time - 1_767_225_600_000 for _, time in keeper.said()) == [number * 1000 for number in range(10)]


ODD = [
    b'{"x": "a\\u0000b", "\\u0000": 1, "latitude": 1, "longitude": 1, "time": 1767225601}',
    b'{"x": ' + b"9" * 4000 + b', "latitude": 1, "longitude": 1, "time": 1767225602}',
    b'{"speed_kmh": 1e39, "altitude_m": -1e300, "satellites": 1e20, "odometer_m": 1e308, "engine_hours_s": -1e308,'
    b' "latitude": 1, "longitude": 1, "time": 1767225603}',
    b'{"latitude": 1, "longitude": 1, "time": 253402300799}',
    b'{"latitude": 1, "longitude": 1, "time": 0}',
    b'{"latitude": NaN, "longitude": 1e400}',
    b'{"x": "\\ud800"}',
    b'{"x": ' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    b"{" + b",".join(b'"k%d": 1' % number for number in range(8_000)) + b', "time": 1767225604}',
]


async def test_odd_values_keep_no_other_message_from_the_database(settings: Settings, broker: Broker) -> None:
    mqtt = MqttSettings(url=broker.url, client_id="odd", sources=SOURCES)
    async with house(settings, mqtt) as home, broker.client() as client:
        odd, good = await home.add("odd", "good")
        await eventually(lambda: subscribed(home))
        for payload in ODD:
            await client.publish("fleet/odd/position", payload, qos=1)
            await client.publish("fleet/" + "p" * 60_000 + "/position", payload, qos=0)
        await client.publish("fleet/good/position", json.dumps(OURS), qos=1)
        await eventually(lambda: home.one("SELECT count(*) = 1 FROM positions WHERE device_id = %s", good))
        assert home.server.mqtt.inbound is not None
        link = home.server.mqtt.inbound.link
        await eventually(lambda: link.client is not None and not link.client.unacknowledged)
        times = await home.rows("SELECT extract(epoch FROM time)::bigint FROM positions WHERE device_id = %s ORDER BY 1", odd)
        dead = await home.one("SELECT count(*) FROM dead_letters")
        assert {1_767_225_601, 1_767_225_602, 1_767_225_603, 1_767_225_604} <= {time for (time,) in times}
        assert dead >= 3
        assert home.server.health().status == "ok"
