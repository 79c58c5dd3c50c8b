"""The switches that let an account's positions out by MQTT: an administrator's, and in the audit log."""

from __future__ import annotations

import pytest

from tests.api.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_administrator_switches_it(world: World) -> None:
    path = f"/api/accounts/{world.ids['Anna Ltd']}"
    async with world.signed_in("admin") as admin, world.signed_in("anna") as anna:
        before = (await anna.get(path)).json()
        assert (before["mqttPublish"], before["mqttDiscovery"]) == (False, False)
        assert (await anna.put(path, json={"mqttPublish": True})).status_code == 403
        told = (await admin.put(path, json={"mqttPublish": True, "mqttDiscovery": True})).json()
        assert told == {**before, "mqttPublish": True, "mqttDiscovery": True}
        assert (await admin.put(path, json={"mqttPublish": False})).json() == {**told, "mqttPublish": False}
        lines = (await admin.get("/api/audit", params={"accountId": world.ids["Anna Ltd"]})).json()
        changes = [line["details"] for line in lines if line["action"] == "account.changed"]
        assert {"mqttPublish": [False, True], "mqttDiscovery": [False, True]} in changes
