"""Links of two things as Traccar's clients make them; nobody links what isn't theirs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import PASSWORD, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def new(client: httpx.AsyncClient, kind: str, **body: Any) -> int:
    answer = await client.post(f"/api/{kind}", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


async def things(client: httpx.AsyncClient) -> dict[str, int]:
    return {
        "geofenceId": await new(client, "geofences", name="Depot", area="CIRCLE (43 76, 100)"),
        "groupId": await new(client, "groups", name="Vans"),
        "notificationId": await new(client, "notifications", type="geofenceEnter", notificators="web", always=False),
    }


async def link(client: httpx.AsyncClient, pair: dict[str, int], method: str = "POST") -> int:
    return (await client.request(method, "/api/permissions", json=pair)).status_code


@pytest.mark.parametrize(
    ("one", "other", "path", "field"),
    [
        ("deviceId", "geofenceId", "geofences", "deviceIds"),
        ("groupId", "geofenceId", "geofences", "groupIds"),
        ("deviceId", "notificationId", "notifications", "deviceIds"),
        ("groupId", "notificationId", "notifications", "groupIds"),
        ("geofenceId", "notificationId", "notifications", "geofenceIds"),
        ("userId", "notificationId", "notifications", "userIds"),
    ],
)
async def test_two_things_are_linked_once_and_parted(world: World, one: str, other: str, path: str, field: str) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris, world.signed_in("rita") as rita:
        ids = {**await things(anna), "deviceId": world.ids["a1"], "userId": world.ids["rita"]}
        his = {**await things(boris), "deviceId": world.ids["b1"], "userId": world.ids["boris"]}
        pair = {one: ids[one], other: ids[other]}

        async def linked() -> list[int]:
            found: list[int] = (await anna.get(f"/api/{path}/{ids[other]}")).json()[field]
            return found

        assert await linked() == []
        assert await link(rita, pair) == 403
        for mixed in ({one: ids[one], other: his[other]}, {one: his[one], other: ids[other]}, {one: 10**9, other: ids[other]}):
            assert await link(anna, mixed) == 404, mixed
            assert await link(boris, mixed) == 404, mixed
            assert await link(boris, mixed, "DELETE") == 404, mixed
        assert await link(boris, pair) == 404
        assert await linked() == []
        assert await link(anna, pair) == 204
        assert await link(anna, dict(reversed(pair.items()))) == 204
        assert await linked() == [ids[one]]
        assert await link(boris, pair, "DELETE") == 404
        assert await linked() == [ids[one]]
        assert await link(anna, pair, "DELETE") == 204
        assert await link(anna, pair, "DELETE") == 204
        assert await linked() == []


async def test_an_administrator_links_within_one_account(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin:
        ids = await things(anna)
        for device, status in (("b1", 404), ("a1", 204)):
            pair = {"deviceId": world.ids[device], "geofenceId": ids["geofenceId"]}
            assert await link(admin, pair) == status
            pair = {"deviceId": world.ids[device], "notificationId": ids["notificationId"]}
            assert await link(admin, pair) == status
        for user, status in (("boris", 404), ("admin", 204), ("anna", 204)):
            assert await link(admin, {"userId": world.ids[user], "notificationId": ids["notificationId"]}) == status
        assert await link(anna, {"userId": world.ids["admin"], "notificationId": ids["notificationId"]}) == 404


async def test_what_the_account_gives_is_there_already(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris:
        ids = await things(anna)
        anna_s = {"userId": world.ids["anna"]}
        for other in ({"deviceId": world.ids["a1"]}, {"groupId": ids["groupId"]}, {"geofenceId": ids["geofenceId"]}):
            assert await link(anna, {**anna_s, **other}) == 204
            assert await link(anna, {**anna_s, **other}, "DELETE") == 400
            assert await link(boris, {**anna_s, **other}) == 404
            assert await link(boris, {"userId": world.ids["boris"], **other}) == 404
        assert await link(anna, {**anna_s, "managedUserId": world.ids["rita"]}) == 204
        assert await link(anna, {**anna_s, "managedUserId": world.ids["boris"]}) == 404


async def test_who_shares_an_account_with_an_administrator_learns_nothing_of_others(world: World) -> None:
    async with world.signed_in("admin") as admin, world.signed_in("anna") as anna:
        olga = {"name": "Olga", "email": "olga@example.com", "password": PASSWORD}
        assert (await admin.post("/api/users", json=olga)).status_code == 200
        hers = await things(anna)
        zone = {"userId": world.ids["admin"], "geofenceId": hers["geofenceId"]}
        assert await link(admin, zone) == 204
        async with world.signed_in("olga") as client:
            assert await link(client, zone) == 404
            assert await link(client, {"userId": world.ids["admin"], "deviceId": world.ids["a1"]}) == 404


async def test_many_at_once_are_all_or_none(world: World) -> None:
    async with world.signed_in("anna") as anna:
        zone = (await things(anna))["geofenceId"]
        pairs = [{"deviceId": world.ids[name], "geofenceId": zone} for name in ("a1", "a2", "b1")]
        assert (await anna.post("/api/permissions/bulk", json=pairs)).status_code == 404
        assert (await anna.get(f"/api/geofences/{zone}")).json()["deviceIds"] == []
        assert (await anna.post("/api/permissions/bulk", json=pairs[:2])).status_code == 204
        assert (await anna.get(f"/api/geofences/{zone}")).json()["deviceIds"] == [world.ids["a1"], world.ids["a2"]]
        assert (await anna.request("DELETE", "/api/permissions/bulk", json=pairs[:1])).status_code == 204
        assert (await anna.get(f"/api/geofences/{zone}")).json()["deviceIds"] == [world.ids["a2"]]


@pytest.mark.parametrize(
    "pair",
    [
        {},
        {"deviceId": 1},
        {"deviceId": 1, "geofenceId": 2, "groupId": 3},
        {"deviceId": 1, "driverId": 2},
        {"deviceId": 1, "groupId": 2},
        {"deviceId": 0, "geofenceId": 1},
        {"deviceId": 2**31, "geofenceId": 1},
        {"deviceId": None, "geofenceId": 1},
        {"deviceId": "x", "geofenceId": 1},
        [],
        [1, 2],
        "deviceId",
        {"x" * 100: 1, "geofenceId": 1},
    ],
)
async def test_what_is_no_pair_is_refused(world: World, pair: Any) -> None:
    async with world.signed_in("anna") as anna:
        for method in ("POST", "DELETE"):
            answer = await anna.request(method, "/api/permissions", json=pair)
            assert answer.status_code == 400, answer.text
            assert answer.json()["detail"]
