"""A person's own ways to be told: messengers, phone, time zone and quiet hours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
TELEGRAM = "tgram://123456789:abcdefg_hijklmnopqrstuvwxyzabcdef/12345"


async def test_a_messenger_lives_and_its_secret_is_never_shown(world: World) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/messengers", json={"name": "My phone", "url": TELEGRAM})
        assert answer.status_code == 200, answer.text
        added = answer.json()
        assert (added["name"], added["service"]) == ("My phone", "Telegram")
        assert set(added) == {"id", "name", "service", "createdAt"}
        listed = await anna.get("/api/messengers")
        assert listed.json() == [added]
        assert "abcdefg" not in answer.text + listed.text
        assert (await anna.delete(f"/api/messengers/{added['id']}")).status_code == 204
        assert (await anna.get("/api/messengers")).json() == []
        assert (await anna.delete(f"/api/messengers/{added['id']}")).status_code == 404


async def test_nobody_else_sees_tests_or_removes_it(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris, world.signed_in("admin") as admin:
        added = (await anna.post("/api/messengers", json={"name": "Mine", "url": "ntfy://depot"})).json()
        for other in (boris, admin):
            assert added["id"] not in [one["id"] for one in (await other.get("/api/messengers")).json()]
            assert (await other.post(f"/api/messengers/{added['id']}/test")).status_code == 404
            assert (await other.delete(f"/api/messengers/{added['id']}")).status_code == 404
        await anna.delete(f"/api/messengers/{added['id']}")
    async with world.visitor() as stranger:
        assert (await stranger.get("/api/messengers")).status_code == 401


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("json://localhost/", "tgram://, whatsapp://"),
        ("https://169.254.169.254/", "can't be used: tgram://"),
        ("ntfy://localhost/topic", "public server only"),
        (TELEGRAM + "?template=file:///etc/passwd", "option 'template'"),
        ("tgram://nonsense", "can't be read"),
        ("tgram://a\nb", "no spaces"),
    ],
)
async def test_what_is_refused_and_why(world: World, url: str, says: str) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/messengers", json={"name": "x", "url": url})
        assert answer.status_code == 400
        assert says in answer.json()["detail"]


async def test_so_many_and_no_more(world: World) -> None:
    async with world.signed_in("anna") as anna:
        answers = [await anna.post("/api/messengers", json={"name": f"n{n}", "url": f"ntfy://topic{n}"}) for n in range(21)]
        assert [answer.status_code for answer in answers] == [200] * 20 + [400]
        page = await anna.get("/api/messengers", params={"limit": 5, "offset": 15})
        assert [one["name"] for one in page.json()] == [f"n{n}" for n in range(15, 20)]
        for one in (await anna.get("/api/messengers")).json():
            await anna.delete(f"/api/messengers/{one['id']}")


async def test_a_test_says_what_became_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing leaves this machine
    channel = world.server.alerts.channels["messenger"]
    await channel.close()  # helpers that began with another environment
    async with world.signed_in("anna") as anna:
        added = (await anna.post("/api/messengers", json={"name": "Mine", "url": TELEGRAM})).json()
        (outcome,) = (await anna.post(f"/api/messengers/{added['id']}/test")).json()
        assert (outcome["channel"], outcome["address"], outcome["state"]) == ("messenger", "Mine", "failed")
        assert "Telegram" in outcome["reason"]
        assert "abcdefg" not in outcome["reason"]
        await anna.delete(f"/api/messengers/{added['id']}")
    await channel.close()


QUIET = [{"days": ["mon", "sun"], "from": "22:00", "to": "06:00"}]


async def test_phone_time_zone_and_quiet_hours_are_ones_own_to_set(world: World) -> None:
    async with world.signed_in("anna") as anna:
        path = f"/api/users/{world.ids['anna']}"
        before = (await anna.get(path)).json()
        assert (before["phone"], before["timeZone"], before["quietHours"]) == (None, None, None)
        change = {"phone": "+7 (701) 123-45-67", "timeZone": "Asia/Almaty", "quietHours": QUIET}
        changed = (await anna.put(path, json=change)).json()
        assert changed == {**before, "phone": "+77011234567", "timeZone": "Asia/Almaty", "quietHours": QUIET}
        assert (await anna.get("/api/session")).json() == changed
        assert (await anna.put(path, json={"name": "Anna B."})).json()["quietHours"] == QUIET  # what isn't sent stays
        assert (await anna.put(path, json={**before, "phone": ""})).json() == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"phone": "87011234567"}, "country's code"),
        ({"phone": "+7701123456\n7;to=1"}, "country's code"),
        ({"timeZone": "Mars/Olympus"}, "Asia/Almaty"),
        ({"quietHours": [{"days": ["someday"], "from": "22:00", "to": "06:00"}]}, "days are some of"),
        ({"quietHours": "always"}, "hours are a list"),
    ],
)
async def test_what_can_not_be_is_refused(world: World, change: dict[str, Any], says: str) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.put(f"/api/users/{world.ids['anna']}", json=change)
        assert answer.status_code == 400, answer.text
        assert says in answer.text
