"""What Boris asks of Anna's rules, alerts and deliveries, and what he must get; a part of test_scope's table."""

from __future__ import annotations

from typing import Any

import httpx

from tests.api.conftest import World, eventually

EMPTY, MISSING, OWN = "empty list", 404, "only one's own"
ANY = {"rule": 1, "alert": 1}
ALARM = {"type": "alarm", "notificators": "web"}

ALERTS: dict[str, list[tuple[dict[str, Any], object]]] = {
    "GET /api/notifications": [({}, OWN), ({"params": {"deviceId": "{a1}"}}, EMPTY)],
    "POST /api/notifications": [
        ({"json": {**ALARM, "accountId": "{Anna Ltd}"}}, MISSING),
        ({"json": {**ALARM, "deviceIds": ["{a1}"]}}, MISSING),
        ({"json": {**ALARM, "userIds": ["{anna}"]}}, MISSING),
        ({"json": {**ALARM, "groupIds": ["{group}"]}}, MISSING),
        ({"json": {**ALARM, "geofenceIds": ["{geofence}"]}}, MISSING),
        ({"json": {**ALARM, "calendarId": "{calendar}"}}, MISSING),
    ],
    "GET /api/notifications/{rule_id}": [({"path": "{rule}"}, MISSING)],
    "PUT /api/notifications/{rule_id}": [({"path": "{rule}", "json": {"enabled": False}}, MISSING)],
    "DELETE /api/notifications/{rule_id}": [({"path": "{rule}"}, MISSING)],
    "POST /api/notifications/test": [({}, OWN)],
    "POST /api/notifications/test/{notificator}": [({"path": "webhook", "params": {"id": "{rule}"}}, MISSING)],
    "POST /api/notifications/preview": [
        ({"json": {"type": "alarm", "deviceId": "{a1}"}}, MISSING),
        ({"json": {"type": "geofenceEnter", "geofenceId": "{geofence}"}}, MISSING),
    ],
    "GET /api/alerts": [
        ({"params": {"deviceId": "{a1}"}}, EMPTY),
        ({"params": {"eventId": "{event}"}}, EMPTY),
        ({"params": {"geofenceId": "{geofence}"}}, EMPTY),
    ],
    "GET /api/alerts/count": [({}, OWN)],
    "GET /api/alerts/{alert_id}": [({"path": "{alert}"}, MISSING)],
    "POST /api/alerts/acknowledge": [({"json": {"ids": ["{alert}"]}}, OWN)],
    "POST /api/alerts/{alert_id}/acknowledge": [({"path": "{alert}"}, MISSING)],
    "DELETE /api/alerts/{alert_id}/acknowledge": [({"path": "{alert}"}, MISSING)],
    "POST /api/alerts/{alert_id}/comments": [({"path": "{alert}", "json": {"text": "x"}}, MISSING)],
    "GET /api/deliveries": [({}, OWN), ({"params": {"alertId": "{alert}"}}, EMPTY)],
}
HARMLESS = {"GET /api/notifications/types", "GET /api/notifications/notificators"}


async def alert_of(world: World, anna: httpx.AsyncClient, made_by: Any) -> dict[str, int]:
    """A rule of hers, and an alert that it asked for: `made_by()` is what happens."""
    rule = (await anna.post("/api/notifications", json={**ALARM, "description": "Truck a1"})).json()["id"]

    async def known() -> bool:
        return world.server.alerts.rules.get(rule) is not None

    await eventually(known)
    await made_by()

    async def told() -> bool:
        return bool((await anna.get("/api/alerts")).json())

    await eventually(told)
    return {"rule": rule, "alert": (await anna.get("/api/alerts")).json()[0]["id"]}


async def untouched(anna: httpx.AsyncClient, ids: dict[str, Any]) -> None:
    alert = (await anna.get(f"/api/alerts/{ids['alert']}")).json()
    assert (alert["acknowledgedAt"], alert["comments"]) == (None, []), "Boris changed an alert"
    assert (await anna.get(f"/api/notifications/{ids['rule']}")).json()["enabled"] is True, "Boris changed a rule"
