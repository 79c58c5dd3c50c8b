"""Connections that are refused, thrown out or lost again and again; and what of aiomqtt and paho we lean on."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from telematics.config import LimitSettings, MqttSettings, MqttSourceSettings
from telematics.devices import Devices
from telematics.ingest.batch import Intake
from telematics.mqtt import client as client_module
from telematics.mqtt.client import Client, sentence
from telematics.mqtt.inbound import Inbound
from telematics.mqtt.metrics import MqttMetrics
from tests.mqtt.conftest import Broker, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Lines:
    """What is logged."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **more: Any) -> None:
        self.said.append((event, more))

    warning = exception = info


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    lines = Lines()
    monkeypatch.setattr(client_module, "log", lines)
    monkeypatch.setattr(client_module, "FIRST_S", 0.01)
    return lines


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    async with Broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def inbound_of(url: str, client_id: str, version: aiomqtt.ProtocolVersion, *topics: str) -> Inbound:
    sources = tuple(MqttSourceSettings(topic=topic) for topic in topics or ("fleet/{id}",))
    settings = MqttSettings(url=url, client_id=client_id, sources=sources)
    devices = Devices()
    inbound = Inbound(settings, Intake(LimitSettings(), devices), devices, MqttMetrics())
    inbound.link.version = version
    return inbound


@asynccontextmanager
async def running(*inbounds: Inbound) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(inbound.run()) for inbound in inbounds]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311])
async def test_two_of_one_name_are_told_and_wait_longer_and_longer(
    broker: Broker, lines: Lines, version: aiomqtt.ProtocolVersion
) -> None:
    """Mosquitto 2.0.11 doesn't say why, whatever the version."""
    why = "is there another client by the name of twin-in, or a topic that our user may not write?"
    one, two = inbound_of(broker.url, "twin", version), inbound_of(broker.url, "twin", version)
    async with running(one, two):
        await eventually(lambda: min(one.link._tries, two.link._tries) >= 5)
        await eventually(lambda: all(why in (inbound.link.trouble or "") for inbound in (one, two)))
        told = [more["reason"] for _, more in lines.said if "reason" in more]
        assert sum(why in reason for reason in told) == 2, told
        assert len(lines.said) <= 8, lines.said


async def test_a_single_loss_is_no_trouble_once_there_is_a_connection_again(broker: Broker, lines: Lines) -> None:
    inbound = inbound_of(broker.url, "single", aiomqtt.ProtocolVersion.V5)
    async with running(inbound):
        await eventually(lambda: inbound.subscribed)
        client = inbound.link.client
        assert client is not None
        client._client.socket().shutdown(2)  # type: ignore[union-attr]
        await eventually(lambda: inbound.link.client not in (None, client) and inbound.subscribed)
        assert inbound.link.trouble is None
    assert [event for event, _ in lines.said] == ["connected to the MQTT broker", "no connection to the MQTT broker"]


async def test_a_connection_that_holds_is_believed(broker: Broker, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "STEADY_S", 0.05)
    inbound = inbound_of(broker.url, "steady", aiomqtt.ProtocolVersion.V5)
    inbound.link._tries, inbound.link._brief = 3, 7
    inbound.link._tell("it ends each connection")
    async with running(inbound):
        await eventually(lambda: inbound.link.trouble is None)
        assert (inbound.link._tries, inbound.link._brief) == (0, 0)


async def test_a_refused_subscription_is_one_line_and_tried_less_and_less(
    broker: Broker, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mosquitto with an acl_file refuses none; others do."""

    async def denied(*_: object, **__: object) -> list[ReasonCode]:
        return [ReasonCode(PacketTypes.SUBACK, identifier=135)]

    monkeypatch.setattr(Client, "subscribe", denied)
    inbound = inbound_of(broker.url, "denied", aiomqtt.ProtocolVersion.V5, "fleet/{id}")
    async with running(inbound):
        await eventually(lambda: inbound.link._tries >= 5)
        assert "doesn't let us subscribe to fleet/+: Not authorized" in (inbound.link.trouble or "")
    assert [event for event, _ in lines.said] == ["connected to the MQTT broker", "no connection to the MQTT broker"]


async def test_the_password_is_in_no_line(tmp_path: Path, lines: Lines) -> None:
    (tmp_path / "passwords").write_text("")
    more = ("allow_anonymous false", f"password_file {tmp_path / 'passwords'}")
    async with Broker(tmp_path / "broker", *more) as broker:
        inbound = inbound_of(f"mqtt://fleet:s3cr%40t@127.0.0.1:{broker.port}", "wrong", aiomqtt.ProtocolVersion.V5)
        async with running(inbound):
            await eventually(lambda: inbound.link._tries >= 5)
        assert [event for event, _ in lines.said] == ["no connection to the MQTT broker"]
        assert "s3cr" not in str(lines.said)


async def test_what_we_lean_on_is_still_there() -> None:
    """aiomqtt and paho promise nothing of what begins with _. Where this fails after an update, telematics/mqtt/client.py has to
    be read again beside their new code before the pins in pyproject.toml are moved."""
    plain = aiomqtt.Client("127.0.0.1")
    assert isinstance(plain._client, Paho)
    assert isinstance(plain._disconnected, asyncio.Future)
    assert isinstance(plain._loop, asyncio.AbstractEventLoop)
    assert plain._pending_publishes == {}
    callbacks = {
        "_on_connect": ["self", "client", "userdata", "flags", "reason_code", "properties"],
        "_on_message": ["self", "client", "userdata", "message"],
        "_on_publish": ["self", "client", "userdata", "mid", "reason_code", "properties"],
    }
    for name, parameters in callbacks.items():
        assert list(inspect.signature(getattr(aiomqtt.Client, name)).parameters) == parameters, name
        assert name in vars(Client), name
        assert getattr(plain._client, name.removeprefix("_")) == getattr(plain, name), f"{name} is no longer paho's callback"
    assert "_loop.add_reader, sock.fileno()" in inspect.getsource(aiomqtt.Client._on_socket_open), "hold and release do it anew"
    assert plain._client.manual_ack_set(True) is None  # type: ignore[func-returns-value]
    assert list(inspect.signature(Paho.ack).parameters) == ["self", "mid", "qos"]
    assert MQTTMessage(topic=b"a/b")._topic == b"a/b"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        pytest.param(
            142,
            "another client has our name at the broker at broker:1883: give each server a mqtt.client_id of its own",
            id="whose name it is",
        ),
        pytest.param(128, "the broker at broker:1883: the connection is lost", id="nothing"),
        pytest.param(139, "the broker at broker:1883: Server shutting down", id="a reason"),
    ],
)
async def test_a_broker_that_ends_a_connection_is_quoted(code: int, told: str) -> None:
    error = aiomqtt.MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, identifier=code))
    assert sentence(error, MqttSettings(url="mqtt://u:p@broker")) == told
