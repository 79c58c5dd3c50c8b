"""Calendars: iCalendar in base64, looked at when they come, kept while something goes by them."""

from __future__ import annotations

import base64

import pytest

from dashboards.api import calendars
from tests.api.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT = "BEGIN:VEVENT\r\nDTSTART:20260105T090000\r\nDTEND:20260105T180000\r\n{}END:VEVENT\r\n"
WEEK = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{EVENT}END:VCALENDAR\r\n"


def data(rule: str = "RRULE:FREQ=WEEKLY;BYDAY=MO\r\n") -> str:
    return base64.b64encode(WEEK.format(rule).encode()).decode()


async def test_a_calendar_lives(world: World) -> None:
    async with world.signed_in("anna") as anna:
        calendar = (await anna.post("/api/calendars", json={"name": "Mondays", "data": data(), "attributes": {"a": 1}})).json()
        assert calendar == {
            "id": calendar["id"],
            "name": "Mondays",
            "data": data(),
            "attributes": {"a": 1},
            "accountId": world.ids["Anna Ltd"],
        }
        path = f"/api/calendars/{calendar['id']}"
        answer = await anna.get("/api/calendars")
        assert answer.json() == [calendar]
        assert answer.headers["X-Total-Count"] == "1"
        changed = (await anna.put(path, json={"name": "Days", "data": data("RRULE:FREQ=DAILY\r\n")})).json()
        assert changed == {**calendar, "name": "Days", "data": data("RRULE:FREQ=DAILY\r\n")}
        assert (await anna.put(path, json={"name": "Again"})).json()["data"] == changed["data"]
        assert (await anna.delete(path)).status_code == 204
        assert (await anna.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param("%%%", "base64", id="no base64"),
        pytest.param(base64.b64encode(b"\xff\xfe").decode(), "UTF-8", id="no text"),
        pytest.param(base64.b64encode(b"").decode(), "no event", id="nothing"),
        pytest.param(base64.b64encode(b"BEGIN:VCALENDAR\nEND:VCALENDAR").decode(), "no event", id="no event"),
        pytest.param(base64.b64encode(b"BEGIN:VEVENT\nDTSTART:20260101T000000\0\nEND:VEVENT").decode(), "NUL", id="NUL"),
        pytest.param(data("RRULE:FREQ=SECONDLY\r\n"), "at most every hour", id="every second"),
        pytest.param(data("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\r\n"), "too long", id="never"),
        pytest.param(base64.b64encode(b"x" * 300_000).decode(), "256 KiB", id="large"),
        pytest.param("A" * 600_000, "at most", id="larger than any"),
    ],
)
async def test_what_cant_be_used_is_refused(world: World, value: str, why: str) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/calendars", json={"name": "x", "data": value})
        assert answer.status_code == 400, answer.text
        assert why in answer.json()["detail"]


async def test_a_calendar_in_use_stays(world: World) -> None:
    async with world.signed_in("anna") as anna:
        calendar = (await anna.post("/api/calendars", json={"name": "Mondays", "data": data()})).json()["id"]
        proximity = await world._insert(
            "INSERT INTO proximities (account_id, name, device_id, to_latitude, to_longitude, enter_m, exit_m, calendar_id)"
            " VALUES (%s, 'Trailer', %s, 1, 1, 100, 200, %s) RETURNING id",
            *(world.ids["Anna Ltd"], world.ids["a1"], calendar),
        )
        answer = await anna.delete(f"/api/calendars/{calendar}")
        assert answer.status_code == 409
        assert "the proximity “Trailer”" in answer.json()["detail"]
        async with world.server.database.pool.connection() as connection:
            await connection.execute("DELETE FROM proximities WHERE id = %s", (proximity,))
        assert (await anna.delete(f"/api/calendars/{calendar}")).status_code == 204


async def test_only_ones_own(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris, world.signed_in("rita") as rita:
        hers = (await anna.post("/api/calendars", json={"name": "hers", "data": data()})).json()["id"]
        for answer in (
            await boris.get(f"/api/calendars/{hers}"),
            await boris.put(f"/api/calendars/{hers}", json={"name": "mine"}),
            await boris.delete(f"/api/calendars/{hers}"),
            await boris.post("/api/calendars", json={"name": "x", "data": data(), "accountId": world.ids["Anna Ltd"]}),
        ):
            assert answer.status_code == 404
        assert (await boris.get("/api/calendars")).json() == []
        assert (await rita.delete(f"/api/calendars/{hers}")).status_code == 403
        assert (await rita.get(f"/api/calendars/{hers}")).status_code == 200


async def test_they_come_a_hundred_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendars, "AT_ONCE", 1)
    async with world.signed_in("boris") as boris:
        for name in ("a", "b"):
            assert (await boris.post("/api/calendars", json={"name": name, "data": data()})).status_code == 200
        answer = await boris.get("/api/calendars")
        assert len(answer.json()) == 1
        assert 'rel="next"' in answer.headers["Link"]
