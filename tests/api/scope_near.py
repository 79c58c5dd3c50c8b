"""What Boris asks of Anna's proximities, messengers and pages of alerts and zones; a part of test_scope's table."""

from __future__ import annotations

from typing import Any

import httpx

MISSING, OWN = 404, "only one's own"
ANY = {"proximity": 1, "messenger": 1}
TO_A_PLACE = {"name": "x", "latitude": 1, "longitude": 2, "enter": 100, "exit": 200}

NEAR: dict[str, list[tuple[dict[str, Any], object]]] = {
    "GET /api/proximities": [({}, OWN)],
    "POST /api/proximities": [
        ({"json": {**TO_A_PLACE, "deviceId": "{a1}"}}, MISSING),
        ({"json": {**TO_A_PLACE, "groupId": "{group}"}}, MISSING),
        ({"json": {"name": "x", "deviceId": "{b1}", "toDeviceId": "{a1}", "enter": 100, "exit": 200}}, MISSING),
        ({"json": {**TO_A_PLACE, "deviceId": "{b1}", "calendarId": "{calendar}"}}, MISSING),
        ({"json": {**TO_A_PLACE, "deviceId": "{b1}", "accountId": "{Anna Ltd}"}}, MISSING),
    ],
    "GET /api/proximities/{proximity_id}": [({"path": "{proximity}"}, MISSING)],
    "PUT /api/proximities/{proximity_id}": [({"path": "{proximity}", "json": {"name": "x"}}, MISSING)],
    "DELETE /api/proximities/{proximity_id}": [({"path": "{proximity}"}, MISSING)],
    "GET /api/messengers": [({}, OWN)],
    "POST /api/messengers": [({"json": {"name": "Mine", "url": "tgram://123456789:abcdefg_hijklmnop/12315544"}}, OWN)],
    "POST /api/messengers/{messenger_id}/test": [({"path": "{messenger}"}, MISSING)],
    "DELETE /api/messengers/{messenger_id}": [({"path": "{messenger}"}, MISSING)],
    "GET /zones": [({}, OWN)],
    "GET /rules": [({}, OWN)],
    "GET /rules/new": [({}, OWN)],
    "GET /rules/{rule_id}": [({"path": "{rule}"}, OWN)],  # an empty form: its script asks the API
    "GET /alerts": [({}, OWN)],
    "GET /alerts/{alert_id}": [({"path": "{alert}"}, MISSING)],
    "GET /deliveries": [({}, OWN)],
}


async def things(anna: httpx.AsyncClient, ids: dict[str, Any]) -> dict[str, int]:
    """A proximity and a messenger of hers."""
    near = await anna.post("/api/proximities", json={**TO_A_PLACE, "name": "Truck a1 is near", "deviceId": ids["a1"]})
    messenger = {"name": "Truck a1's", "url": "tgram://123456789:abcdefg_hijklmnop/12315544"}
    told = await anna.post("/api/messengers", json=messenger)
    return {"proximity": near.json()["id"], "messenger": told.json()["id"]}
