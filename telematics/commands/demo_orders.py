"""The demo's commands: some that its dispatcher keeps, and some that have been sent to trackers which answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from protocols.commands import checked
from telematics.simulator.fleet import Vehicle
from telematics.store.commands import NewCommand, add

LASTS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DemoCommand:
    protocol: str
    type: str
    parameters: dict[str, Any] = field(default_factory=dict)


SAVED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Where are you?", "positionSingle", {}),
    ("Every ten seconds", "positionPeriodic", {"frequency": 10}),
)
SENT = (  # each to the first vehicle with such a tracker
    DemoCommand("gt06", "positionSingle"),
    DemoCommand("gt06", "getDeviceStatus"),
    DemoCommand("teltonika", "getVersion"),
    DemoCommand("teltonika", "outputControl", {"index": 2, "data": "1"}),
    DemoCommand("wialon", "message", {"message": "Please call the office"}),
    DemoCommand("h02", "getDeviceStatus"),
    DemoCommand("jt808", "positionSingle"),
    DemoCommand("jt808", "getVersion"),
)


async def furnish(connection: AsyncConnection[Any], account_id: int, vehicles: Sequence[Vehicle]) -> None:
    """After the account's devices and its user."""
    for name, kind, parameters in SAVED:
        await connection.execute(
            "INSERT INTO saved_commands (account_id, description, type, parameters) VALUES (%s, %s, %s, %s)",
            (account_id, name, kind, Jsonb(checked(kind, parameters).parameters)),
        )
    rows = await connection.execute("SELECT unique_id, id FROM devices WHERE account_id = %s", (account_id,))
    devices = dict(await rows.fetchall())
    user = await (await connection.execute("SELECT min(id) FROM users WHERE account_id = %s", (account_id,))).fetchone()
    now = datetime.now(UTC)
    for sent in SENT:
        known = (devices.get(vehicle.unique_id) for vehicle in vehicles if vehicle.protocol == sent.protocol)
        device_id = next((one for one in known if one is not None), None)
        if device_id is not None:
            command = checked(sent.type, sent.parameters)
            new = NewCommand(device_id, command.type, command.parameters, LASTS, user_id=user[0] if user else None)
            await add(connection, new, now)
