"""What Boris asks of Anna's commands; a part of test_scope's table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from telematics.store import commands as store
from telematics.store.commands import NewCommand
from tests.api.conftest import World

MISSING, EMPTY, OWN = 404, "empty list", "only one's own"
ANY = {"saved_command": 1, "command": 1}
CUSTOM = {"type": "custom", "attributes": {"data": "x"}}

COMMANDS: dict[str, list[tuple[dict[str, Any], object]]] = {
    "GET /api/commands": [({}, OWN)],
    "POST /api/commands": [({"json": {"description": "x", **CUSTOM, "accountId": "{Anna Ltd}"}}, MISSING)],
    "GET /api/commands/types": [({"params": {"deviceId": "{a1}"}}, MISSING)],
    "GET /api/commands/send": [({"params": {"deviceId": "{a1}"}}, MISSING)],
    "POST /api/commands/send": [
        ({"json": {"deviceId": "{a1}", **CUSTOM}}, MISSING),
        ({"json": {"deviceId": "{b1}", "id": "{saved_command}"}}, MISSING),
        ({"json": CUSTOM, "params": {"groupId": "{group}"}}, MISSING),
    ],
    "GET /api/commands/log": [({}, OWN), ({"params": {"deviceId": "{a1}"}}, EMPTY)],
    "GET /api/commands/log/{command_id}": [({"path": "{command}"}, MISSING)],
    "DELETE /api/commands/log/{command_id}": [({"path": "{command}"}, MISSING)],
    "GET /api/commands/{saved_id}": [({"path": "{saved_command}"}, MISSING)],
    "PUT /api/commands/{saved_id}": [({"path": "{saved_command}", "json": {"description": "x", **CUSTOM}}, MISSING)],
    "DELETE /api/commands/{saved_id}": [({"path": "{saved_command}"}, MISSING)],
    "GET /commands": [({}, OWN), ({"params": {"device": "{a1}"}}, OWN)],
    "GET /commands/saved": [({}, OWN)],
}


async def things(world: World) -> dict[str, int]:
    """A command that waits for a tracker of Anna's, and one that she keeps."""
    new = NewCommand(world.ids["a1"], "custom", {"data": "Truck a1: hello"}, timedelta(hours=1), user_id=world.ids["anna"])
    async with world.server.database.pool.connection() as connection:
        number = await store.add(connection, new, datetime.now(UTC))
        assert number is not None
    async with world.signed_in("anna") as anna:
        saved = await anna.post("/api/commands", json={"description": "Truck a1's", **CUSTOM})
        assert saved.status_code == 200, saved.text
    return {"command": number, "saved_command": saved.json()["id"]}
