"""Groups: a tree of an account's own, and what belongs to them."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.api.conftest import World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def made(client: httpx.AsyncClient, name: str, **more: object) -> int:
    answer = await client.post("/api/groups", json={"name": name, **more})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


async def test_a_group_lives(world: World) -> None:
    async with world.signed_in("anna") as anna:
        new = {"name": " North ", "groupId": 0, "attributes": {"speedLimit": 90}, "calendarId": 0}
        group = (await anna.post("/api/groups", json=new)).json()
        assert group == {
            "id": group["id"],
            "name": "North",
            "groupId": 0,
            "attributes": {"speedLimit": 90},
            "accountId": world.ids["Anna Ltd"],
        }
        inner = await made(anna, "Trucks", groupId=group["id"])
        answer = await anna.get("/api/groups", params={"limit": 1})
        assert answer.json() == [group]
        assert int(answer.headers["X-Total-Count"]) == 2
        path = f"/api/groups/{inner}"
        assert (await anna.put(path, json={"name": "Lorries"})).json()["groupId"] == group["id"]
        assert (await anna.put(path, json={"groupId": 0})).json() == {
            "id": inner,
            "name": "Lorries",
            "groupId": 0,
            "attributes": {},
            "accountId": world.ids["Anna Ltd"],
        }
        for number in (inner, group["id"]):
            assert (await anna.delete(f"/api/groups/{number}")).status_code == 204
            assert (await anna.get(f"/api/groups/{number}")).status_code == 404


async def test_no_group_is_within_itself(world: World) -> None:
    async with world.signed_in("anna") as anna:
        a = await made(anna, "a")
        b = await made(anna, "b", groupId=a)
        c = await made(anna, "c", groupId=b)
        for parent in (a, b, c):
            answer = await anna.put(f"/api/groups/{a}", json={"groupId": parent})
            assert answer.status_code == 400, parent
            assert "within itself" in answer.json()["title"]


async def test_two_changes_at_once_make_no_circle(world: World) -> None:
    async with world.signed_in("anna") as anna:
        for _ in range(5):
            a, b = await made(anna, "a"), await made(anna, "b")
            answers = await asyncio.gather(
                anna.put(f"/api/groups/{a}", json={"groupId": b}), anna.put(f"/api/groups/{b}", json={"groupId": a})
            )
            assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_groups_end_somewhere(world: World) -> None:
    async with world.signed_in("anna") as anna:
        group = 0
        for number in range(16):
            group = await made(anna, f"level {number}", groupId=group)
        answer = await anna.post("/api/groups", json={"name": "too deep", "groupId": group})
        assert answer.status_code == 400
        assert "16" in answer.json()["detail"]


async def test_only_ones_own(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris, world.signed_in("rita") as rita:
        hers, his = await made(anna, "hers"), await made(boris, "his")
        for answer in (
            await boris.get(f"/api/groups/{hers}"),
            await boris.put(f"/api/groups/{hers}", json={"name": "mine"}),
            await boris.delete(f"/api/groups/{hers}"),
            await boris.post("/api/groups", json={"name": "x", "groupId": hers}),
            await boris.put(f"/api/groups/{his}", json={"groupId": hers}),
            await boris.post("/api/groups", json={"name": "x", "accountId": world.ids["Anna Ltd"]}),
            await boris.put(f"/api/devices/{world.ids['b1']}", json={"groupId": hers}),
            await boris.post("/api/devices", json={"name": "x", "uniqueId": "in-hers", "groupId": hers}),
        ):
            assert answer.status_code == 404, answer.text
        assert [group["id"] for group in (await boris.get("/api/groups")).json()] == [his]
        assert (await rita.post("/api/groups", json={"name": "x"})).status_code == 403
        assert (await rita.get(f"/api/groups/{hers}")).status_code == 200
        async with world.signed_in("admin") as admin:
            elsewhere = await admin.post("/api/groups", json={"name": "x", "accountId": world.ids["Boris Ltd"], "groupId": hers})
            assert elsewhere.status_code == 404
            assert (await admin.post("/api/groups", json={"name": "x", "accountId": 10**9})).status_code == 404
            assert (await admin.put(f"/api/groups/{hers}", json={"groupId": his})).status_code == 404
            assert (await admin.put(f"/api/groups/{hers}", json={"accountId": world.ids["Boris Ltd"]})).status_code == 400


async def test_devices_are_in_groups(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin:
        group = await made(anna, "vans")
        van = await world.tracker()
        path = f"/api/devices/{van.id}"
        assert (await anna.put(path, json={"groupId": group})).json()["groupId"] == group
        device = world.server.devices.get(van.id)
        assert device is not None
        assert device.group_id == group
        again = (await anna.get(path)).json()
        assert again["groupId"] == group
        assert (await anna.put(path, json={"name": "Van 2"})).json()["groupId"] == group
        assert (await anna.put(path, json={**again, "groupId": 0})).json()["groupId"] == 0
        await anna.put(path, json=again)

        def left() -> bool:
            known = world.server.devices.get(van.id)
            return known is not None and known.group_id is None

        moved = await admin.put(path, json={**again, "accountId": world.ids["Boris Ltd"]})
        assert moved.status_code == 200, moved.text
        assert moved.json()["groupId"] == 0
        back = await admin.put(path, json={"accountId": world.ids["Anna Ltd"], "groupId": group})
        assert back.json()["groupId"] == group
        assert (await anna.delete(f"/api/groups/{group}")).status_code == 204
        assert (await anna.get(path)).json()["groupId"] == 0
        await eventually(left)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x", "groupId": -1}, {"name": "x", "groupId": 2**31}, {"name": "x" * 129}]
)
async def test_what_is_no_group_is_refused(world: World, body: dict[str, object]) -> None:
    async with world.signed_in("anna") as anna:
        assert (await anna.post("/api/groups", json=body)).status_code == 400
