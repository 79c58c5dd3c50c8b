"""What may go wrong with a real Mosquitto: it goes down under load, refuses us, is away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path

import aiomqtt
import pytest

from telematics.config import LimitSettings, MqttSettings, Settings
from telematics.devices import Devices
from telematics.ingest.batch import Intake
from telematics.mqtt import client as client_module
from telematics.mqtt.inbound import Inbound
from telematics.mqtt.metrics import MqttMetrics
from tests.mqtt.conftest import Broker, eventually, house
from tests.mqtt.test_inbound import SOURCES, numbered, subscribed


async def test_a_restart_under_load_loses_nothing_and_repeats_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the broker acknowledged to the publisher is stored, once, whatever was on its way when it went down."""
    monkeypatch.setattr(client_module, "FIRST_S", 0.05)
    count, acknowledged = 2_000, list[int]()
    async with Broker(tmp_path / "broker") as broker:
        mqtt = MqttSettings(url=broker.url, sources=SOURCES, waiting_messages=100)
        async with house(settings, mqtt) as home:
            await home.add(*(f"d{number}" for number in range(50)))
            await eventually(lambda: subscribed(home))
            publishing = asyncio.create_task(publish_all(broker, count, acknowledged))
            for enough in (count // 3, count * 2 // 3):
                await eventually(lambda enough=enough: len(acknowledged) > enough)
                await broker.stop()
                await asyncio.sleep(0.2)
                await broker.start()
            await publishing
            await eventually(partial(home.one, "SELECT count(*) >= %s FROM positions", count), 30)
            times = await home.rows("SELECT extract(epoch FROM time)::bigint FROM positions ORDER BY 1")
            assert [time for (time,) in times] == [1_767_225_600 + number for number in range(count)]


async def publish_all(broker: Broker, count: int, acknowledged: list[int]) -> None:
    """As a gateway does it that keeps what isn't acknowledged and sends it again."""
    while len(acknowledged) < count:
        client = broker.client()
        with suppress(aiomqtt.MqttError, OSError, TimeoutError):
            async with client:
                while len(acknowledged) < count:
                    start = len(acknowledged)
                    numbers = range(start, min(start + 40, count))
                    await asyncio.wait_for(numbered(client, numbers), 1)
                    acknowledged += numbers
        if client._disconnected.done():
            client._disconnected.exception()  # else it is complained of at the end
        await asyncio.sleep(0.05)


async def test_a_wrong_password_is_told_and_tried_again(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    async with Broker(tmp_path / "broker", "allow_anonymous false", f"password_file {passwords}") as broker:
        inbound = Inbound(
            MqttSettings(url=f"mqtt://fleet:se%40cret@127.0.0.1:{broker.port}", sources=SOURCES),
            Intake(LimitSettings(), Devices()),
            Devices(),
            MqttMetrics(),
        )
        task = asyncio.create_task(inbound.run())
        try:
            await eventually(lambda: "refuses us" in (inbound.link.trouble or ""))
            trouble = inbound.link.trouble or ""
            assert trouble.startswith(f"the broker at 127.0.0.1:{broker.port} refuses us (")
            assert trouble.endswith("): correct user and password in mqtt.url")
            assert "cret" not in trouble
            await broker.stop()
            await eventually(lambda: "Connection refused" in (inbound.link.trouble or ""))
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_broker_that_is_away_is_told_as_degraded(settings: Settings) -> None:
    async with house(settings, MqttSettings(url="mqtt://127.0.0.1:1", sources=SOURCES)) as home:
        await eventually(lambda: "127.0.0.1:1" in (home.server.health().reason or ""))
        assert home.server.health().status == "degraded"
