"""The live socket of pages without a map: alerts, and nothing of the vehicles' comings and goings."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import websockets

from tests.api.conftest import NOW, World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_brings_alerts_alone(world: World) -> None:
    async with world.signed_in("anna") as anna:
        rule = {"type": "alarm", "channels": ["web"], "description": "Panic"}
        assert (await anna.post("/api/notifications", json=rule)).status_code == 200
        await eventually(lambda: len(world.server.alerts.rules))
        address = f"ws://localhost:{world.port}/api/socket?only=alerts"
        cookie = {"Cookie": f"JSESSIONID={anna.cookies['JSESSIONID']}"}
        async with websockets.connect(address, additional_headers=cookie) as socket:
            await world.report("imei-a1", NOW + timedelta(seconds=1), 43.25, 76.9)
            await world.report("imei-a1", NOW + timedelta(seconds=2), 43.26, 76.9, alarm="sos")
            first = json.loads(await socket.recv())
    assert list(first) == ["alerts"]
    assert [(one["type"], one["toast"]) for one in first["alerts"]] == [("alarm", True)]
