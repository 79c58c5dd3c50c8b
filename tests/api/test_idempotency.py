"""A request that is sent again is done once: after its answer was lost, by two at once, and when the server dies in between."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import AsyncConnection

from billing.topup import top_up
from dashboards import idempotency
from dashboards.audited import Actor
from dashboards.idempotency import Deed, Replayed
from dashboards.identity import Viewer
from dashboards.problems import Problem
from tests.api.conftest import World
from tests.api.money import PRICE, Customer, customer, key, tariff
from tests.api.test_scope import registered

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def blocked_tracker(world: World) -> tuple[Customer, dict[str, Any]]:
    """Whose owner has blocked it; unblocking and blocking are all there is to be seen of it."""
    owner = await customer(world, paid=await tariff(world), balance=2 * PRICE)
    async with owner.signed_in() as client:
        device = await owner.device(client)
    return owner, device


async def bonus(admin: httpx.AsyncClient, owner: Customer, amount: int, headers: dict[str, str], **more: Any) -> httpx.Response:
    body = {"amount": amount, "reason": "for the trouble", **more}
    return await admin.post(f"/api/billing/operator/accounts/{owner.id}/bonus", json=body, headers=headers)


async def test_sent_again_it_is_answered_as_before(world: World) -> None:
    owner, named = await customer(world), key()
    async with world.signed_in("admin") as admin:
        first = await bonus(admin, owner, 500, named)
        assert first.status_code == 200
        assert "Idempotent-Replayed" not in first.headers
        for _ in range(3):
            again = await bonus(admin, owner, 500, named)
            assert again.status_code == 200
            assert again.headers["Idempotent-Replayed"] == "true"
            assert again.headers["content-type"] == "application/json"
            assert again.content == first.content
        assert await owner.balance() == 500
        assert (await bonus(admin, owner, 500, key())).json()["balance"] == 1000


async def test_another_request_under_the_same_key_is_refused(world: World) -> None:
    owner, other, named = await customer(world), await customer(world), key()
    async with world.signed_in("admin") as admin:
        await bonus(admin, owner, 500, named)
        for refused in (
            await bonus(admin, owner, 501, named),
            await bonus(admin, owner, 500, named, more="said"),
            await bonus(admin, other, 500, named),
            await admin.post("/api/billing/tariff", json={"tariffId": 1}, headers=named),
        ):
            assert refused.status_code == 422
            assert "new key" in refused.json()["detail"]
    assert (await owner.balance(), await other.balance()) == (500, 0)


async def test_a_key_is_its_users_own(world: World) -> None:
    (one, first), (two, second), named = await blocked_tracker(world), await blocked_tracker(world), key()
    for owner, device in ((one, first), (two, second)):
        async with owner.signed_in() as client:
            answer = await client.post(f"/api/billing/trackers/{device['id']}/block", json={}, headers=named)
            assert answer.status_code == 200
            assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.parametrize("wrong", [None, "", "x" * 256, "tab\there", "é", "\x7f"])
async def test_without_a_key_it_is_said_what_to_send(world: World, wrong: str | None) -> None:
    headers = {} if wrong is None else {"Idempotency-Key": wrong.encode("latin-1")}
    async with world.signed_in("boris") as boris:
        answer = await boris.post("/api/billing/tariff", json={"tariffId": 1}, headers=headers)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Idempotency-Key" in answer.json()["detail"]
        assert "1 to 255 printable" in answer.json()["detail"]


@pytest.mark.parametrize("right", ["a", "x" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", 'so "it" is, (too)'])
async def test_any_printable_key_will_do(world: World, right: str) -> None:
    owner = await customer(world)
    async with world.signed_in("admin") as admin:
        named = {"Idempotency-Key": right}
        assert (await bonus(admin, owner, 1, named)).status_code == 200
        assert (await bonus(admin, owner, 1, named)).headers["Idempotent-Replayed"] == "true"


async def test_every_post_of_billing_wants_one(world: World) -> None:
    posts = [
        name.split()[1] for name in registered(world.app) if name.startswith("POST /api/billing/") and "callback" not in name
    ]
    assert len(posts) > 20
    async with world.signed_in("admin") as admin:
        for path in posts:
            answer = await admin.post(re.sub(r"\{\w+\}", "1", path), json={})
            assert (answer.status_code, "Idempotency-Key" in answer.text) == (400, True), f"{path}: {answer.text}"


async def test_what_was_refused_may_be_tried_again(world: World) -> None:
    """Nothing was done, so that the same request after a top-up is a new try, and the key may go to a mended one."""
    short, named = await customer(world, paid=await tariff(world)), key()
    async with short.signed_in() as client:
        device = await short.device(client)
        path = f"/api/billing/trackers/{device['id']}/unblock"
        assert (await client.post(path, headers=named)).status_code == 402
        async with short.book() as book:  # two connections' worth would free it by itself: this one is the owner's block
            await book.add_blocks(
                "owner", {await short.one("SELECT id FROM billed_trackers WHERE device_id = %s", device["id"]): None}
            )
        await short.pays(PRICE)
        done = await client.post(path, headers=named)
        assert (done.status_code, "Idempotent-Replayed" in done.headers) == (200, False)
        assert (await client.post(path, headers=named)).headers["Idempotent-Replayed"] == "true"
        mended = key()
        assert (await client.post("/api/billing/tariff", json={"tariffId": 2**31 - 1}, headers=mended)).status_code == 404
        assert (await client.post("/api/billing/tariff", json={"tariffId": 1}, headers=mended)).status_code == 200


async def test_ten_at_once_are_one(world: World) -> None:
    owner, named = await customer(world), key()
    async with world.signed_in("admin") as admin:
        answers = await asyncio.gather(*(bonus(admin, owner, 700, named) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 9
    assert await owner.balance() == 700


async def test_different_requests_of_one_key_at_once(world: World) -> None:
    owner, named = await customer(world), key()
    async with world.signed_in("admin") as admin:
        answers = await asyncio.gather(*(bonus(admin, owner, amount, named) for amount in (100, 200, 300)))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422]
    assert await owner.balance() in (100, 200, 300)


def deed(world: World, request: bytes, named: str) -> Deed:
    """A request of the administrator's as another process has it: with locks of its own."""
    viewer = Viewer(world.ids["admin"], world.ids["Provider"], "admin@example.com", "Admin", True, False, None)
    state = world.app.state.dashboards
    apart = type(state)(**{name: getattr(state, name) for name in ("server", "auth", "live", "geocoder", "billing")})
    return Deed(apart, Actor(viewer, "test"), named, request)


async def work(once: Deed, account_id: int, begun: asyncio.Event | None = None, go: asyncio.Event | None = None) -> bytes:
    async with once.book(account_id) as book:
        if begun is not None and go is not None:
            begun.set()
            await go.wait()
        await top_up(book, 900, way="cash", key=f"test:{uuid4()}")
        return bytes((await once.keep(book.connection, {"balance": book.balance})).body)


async def test_in_two_processes_at_once_the_second_waits(world: World) -> None:
    owner, named = await customer(world), str(uuid4())
    begun, go = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(work(deed(world, b"same", named), owner.id, begun, go))
    await begun.wait()
    second = asyncio.create_task(work(deed(world, b"same", named), owner.id))
    third = asyncio.create_task(work(deed(world, b"other", named), owner.id))
    await asyncio.sleep(0.2)
    assert not second.done()
    assert not third.done()
    go.set()
    assert await first == b'{"balance":900}'
    with pytest.raises(Replayed) as replayed:
        await second
    assert replayed.value.answer.answer == '{"balance":900}'
    with pytest.raises(Problem) as refused:
        await third
    assert refused.value.status == 422
    assert await owner.balance() == 900


async def test_of_two_accounts_the_key_itself_is_waited_for(world: World) -> None:
    """No lock of an account's stands between them."""
    one, two, named = await customer(world), await customer(world), str(uuid4())
    begun, go = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(work(deed(world, b"one", named), one.id, begun, go))
    await begun.wait()
    second = asyncio.create_task(work(deed(world, b"two", named), two.id))
    await asyncio.sleep(0.2)
    assert not second.done()
    go.set()
    await first
    with pytest.raises(Problem):
        await second
    assert (await one.balance(), await two.balance()) == (900, 0)


@pytest.mark.parametrize("moment", ["before the work", "before the answer", "before the commit"])
async def test_killed_in_between_there_is_neither(world: World, moment: str) -> None:
    owner, named = await customer(world), str(uuid4())

    async def die(connection: AsyncConnection[Any], when: str) -> None:
        if when == moment:
            async with world.server.database.pool.connection() as other:
                await other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])

    async def killed() -> None:
        once = deed(world, b"same", named)
        async with once.book(owner.id) as book:
            await die(book.connection, "before the work")
            await top_up(book, 900, way="cash", key=f"test:{uuid4()}")
            await die(book.connection, "before the answer")
            await once.keep(book.connection, {"balance": book.balance})
            await die(book.connection, "before the commit")

    with pytest.raises(psycopg.OperationalError):
        await killed()
    assert await owner.one("SELECT count(*) FROM idempotency_keys WHERE key = %s", named) == 0
    assert await owner.balance() == 0
    assert await work(deed(world, b"same", named), owner.id) == b'{"balance":900}'  # and can be done after


async def test_a_deed_without_an_answer_is_not_done(world: World) -> None:
    owner, named = await customer(world), str(uuid4())
    with pytest.raises(AssertionError, match="without an answer"):
        async with deed(world, b"same", named).book(owner.id) as book:
            await top_up(book, 900, way="cash", key=f"test:{uuid4()}")
    assert await owner.balance() == 0


async def test_who_waits_too_long_is_told_to_ask_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "WAIT_S", 0.05)
    owner, named = await customer(world), str(uuid4())
    begun, go = asyncio.Event(), asyncio.Event()
    one = deed(world, b"same", named)
    other = Deed(one.state, one.actor, named, b"same")
    first = asyncio.create_task(work(one, owner.id, begun, go))
    await begun.wait()
    with pytest.raises(Problem) as told:
        await work(other, owner.id)
    assert (told.value.status, told.value.headers) == (409, {"Retry-After": "3"})
    go.set()
    assert await first == b'{"balance":900}'


async def test_the_ledger_remembers_longer_than_the_answers(world: World) -> None:
    owner, named = await customer(world), key()
    async with world.signed_in("admin") as admin:
        await bonus(admin, owner, 500, named)
        await owner.one("DELETE FROM idempotency_keys RETURNING 1")
        again = await bonus(admin, owner, 500, named)
        assert (again.status_code, again.json()["code"]) == (409, "done_before")
        assert again.json()["entryId"] == await owner.one("SELECT id FROM ledger_entries WHERE account_id = %s", owner.id)
    assert await owner.balance() == 500


async def test_a_reference_is_of_the_request_alone(world: World) -> None:
    one, same, other = deed(world, b"a", "k"), deed(world, b"a", "k"), deed(world, b"b", "k")
    assert one.reference == same.reference
    assert one.reference not in (other.reference, deed(world, b"a", "l").reference)
