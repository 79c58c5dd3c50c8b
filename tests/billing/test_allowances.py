"""What a tariff allows: judged by when data was received (rule 4), and refused with a sentence where there is no more of it."""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import websockets
from psycopg.conninfo import conninfo_to_dict

from billing import tariffs
from billing.allowances import EVER, NEVER, Allowances, History, Term, Window, allowance
from billing.book import open_book
from dashboards import sql
from telematics.config import Settings
from telematics.store.changes import Changes
from telematics.store.database import Database
from tests.api.conftest import LISTENERS, PASSWORD, World, cheap_argon2, eventually, password_hash, running  # noqa: F401
from tests.conftest import new_database
from tests.store.rows import fetch

on_one_loop = pytest.mark.asyncio(loop_scope="module")
NOW = datetime.now(UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def term(period: int, began: str | None, since: str, history_days: int | None, zone: str = "UTC", **more: Any) -> Term:
    features: dict[str, Any] = {"zones": None, "proximities": None, "sms": True, "reports": True, "api": True, **more}
    begins = None if began is None else utc(began)
    return Term(period, begins, "Tariff", date.fromisoformat(since), history_days, time_zone=zone, **features)


SEEN_ON = utc("2026-03-20 10:00")


@pytest.mark.parametrize(
    ("terms", "windows"),
    [
        pytest.param([term(1, None, "2000-01-01", None)], [], id="all there is: nothing to ask"),
        pytest.param(
            [term(1, None, "2000-01-01", 30)],
            [(EVER, NEVER, utc("2026-02-18"))],
            id="thirty whole days, and today",
        ),
        pytest.param(
            [term(1, None, "2000-01-01", 30, "Asia/Almaty")],
            [(EVER, NEVER, utc("2026-02-17 19:00"))],
            id="days of the account",
        ),
        pytest.param(
            [term(1, None, "2000-01-01", 30), term(2, "2026-03-05 12:00", "2000-01-01", None)],
            [(EVER, utc("2026-03-05 12:00"), utc("2026-02-18")), (utc("2026-03-05 12:00"), NEVER, None)],
            id="up: what came before keeps the depth it had",
        ),
        pytest.param(
            [term(1, None, "2000-01-01", 365), term(2, "2026-03-05 12:00", "2000-01-01", 7)],
            [(EVER, utc("2026-03-05 12:00"), utc("2025-03-20")), (utc("2026-03-05 12:00"), NEVER, utc("2026-03-13"))],
            id="down: what came before keeps the depth it had",
        ),
        pytest.param(
            [term(1, None, "2000-01-01", 30), term(1, None, "2026-03-01", 60, "Asia/Almaty")],
            [(EVER, utc("2026-03-01"), utc("2026-02-18")), (utc("2026-03-01"), NEVER, utc("2026-01-19"))],
            id="a new version of the same tariff, from its day on",
        ),
        pytest.param(
            [term(1, None, "2000-01-01", 30), term(2, "2026-03-05 12:00", "2000-01-01", 30)],
            [(EVER, NEVER, utc("2026-02-18"))],
            id="another tariff of the same depth is no other window",
        ),
        pytest.param(
            [
                *(term(1, None, "2000-01-01", 30), term(1, None, "2026-03-10", 5)),  # the second begins after its period's end
                *(term(2, "2026-03-05 12:00", "2000-01-01", 90), term(2, "2026-03-05 12:00", "2026-03-01", 60)),
            ],
            [(EVER, utc("2026-03-05 12:00"), utc("2026-02-18")), (utc("2026-03-05 12:00"), NEVER, utc("2026-01-19"))],
            id="versions that were never in force while the account was on their tariff",
        ),
        pytest.param([term(1, None, "2000-01-01", 2_000_000_000)], [], id="more days than there have been"),
    ],
)
def test_windows(terms: Sequence[Term], windows: Sequence[tuple[datetime, datetime, datetime | None]]) -> None:
    assert allowance(terms, SEEN_ON).history.windows == tuple(Window(*window) for window in windows)


def test_what_is_allowed_is_that_of_the_version_in_force() -> None:
    terms = [
        term(1, None, "2000-01-01", None, zones=1),
        term(2, "2026-01-01 00:00", "2026-01-01", None, "Asia/Almaty", zones=5, reports=False),
        term(2, "2026-01-01 00:00", "2026-03-20", None, "Asia/Almaty", zones=3, api=False),
        term(2, "2026-01-01 00:00", "2026-04-01", None, "Asia/Almaty", zones=2, sms=False),
    ]
    terms = [Term(**{**{name: getattr(one, name) for name in Term.__slots__}, "time_zone": "Asia/Almaty"}) for one in terms]
    before = allowance(terms, utc("2026-03-19 18:59"))
    today = allowance(terms, utc("2026-03-19 19:00"))  # midnight there
    assert (before.zones, before.reports, before.api, before.sms) == (5, False, True, True)
    assert (today.zones, today.reports, today.api, today.sms) == (3, True, False, True)


@pytest.mark.parametrize(
    ("terms", "shown_from"),
    [
        ([term(1, None, "2000-01-01", None)], None),
        ([term(1, None, "2000-01-01", 30)], "2026-02-18"),
        ([term(1, None, "2000-01-01", 30), term(2, "2026-03-05 12:00", "2000-01-01", None)], "2026-02-18"),
        ([term(1, None, "2000-01-01", 30), term(2, "2026-01-05 12:00", "2000-01-01", None)], "2026-01-05 12:00"),
        ([term(1, None, "2000-01-01", None), term(2, "2026-03-05 12:00", "2000-01-01", 7)], None),
    ],
)
def test_pages_say_since_when_there_is_history(terms: Sequence[Term], shown_from: str | None) -> None:
    assert allowance(terms, SEEN_ON).history.shown_from == (None if shown_from is None else utc(shown_from))


# --- through the doors


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with new_database(server_url, template) as url:
        folder = tmp_path_factory.mktemp("data")
        async with running(Settings(database_url=url, data_dir=folder, protocols=tuple(LISTENERS), listeners=LISTENERS)) as world:
            yield world


@dataclass
class Customer:
    """An account of its own for a test, with a user who has the account's name."""

    world: World
    name: str
    account: int
    device: int

    async def on(self, since: datetime | None = None, **features: Any) -> int:
        """From then on (now, unless said; then also in the past) on a tariff of its own with these features."""
        database = self.world.server.database
        text = "INSERT INTO tariffs (name, currency) VALUES (%s, 'EUR') RETURNING id"
        ((tariff,),) = await fetch(database, text, [f"Tariff {uuid4().hex[:6]}"])
        columns = ", ".join(["tariff_id", "since", "price", *features])
        text = f"INSERT INTO tariff_versions ({columns}) VALUES (%s, '2020-01-01', 100{', %s' * len(features)}) RETURNING id"
        await fetch(database, text, [tariff, *features.values()])
        async with database.pool.connection() as connection:
            await connection.execute(
                "INSERT INTO tariff_periods (account_id, tariff_id, since, counted) VALUES (%s, %s, %s, false)",
                [self.account, tariff, since or datetime.now(UTC)],
            )
            await connection.execute("UPDATE billing_accounts SET tariff_id = %s WHERE account_id = %s", [tariff, self.account])
        await eventually(self.told)
        return int(tariff)

    async def told(self) -> bool:
        ((name,),) = await fetch(
            self.world.server.database,
            "SELECT name FROM tariffs JOIN billing_accounts b ON b.tariff_id = tariffs.id WHERE account_id = %s",
            [self.account],
        )
        allowed = await self.world.app.state.dashboards.billing.allowances.of(self.account)
        return bool(allowed.tariff == name)

    def signed_in(self) -> Any:
        return self.world.signed_in(self.name)


async def customer(world: World) -> Customer:
    name = f"c{uuid4().hex[:8]}"
    account = await world._insert("INSERT INTO accounts (name) VALUES (%s) RETURNING id", name)
    world.ids[name] = account
    await world._insert(
        "INSERT INTO users (account_id, email, name, password_hash) VALUES (%s, %s, %s, %s) RETURNING id",
        *(account, f"{name}@example.com", name, password_hash()),
    )
    return Customer(world, name, account, (await world.tracker(name)).id)


@on_one_loop
async def test_history_is_judged_by_the_tariff_of_the_day_it_was_received(world: World) -> None:
    """30 days until 20 days ago, then everything for 10 days, now 7 days. The last three rows are a tracker's memory."""
    fleet = await customer(world)
    await fleet.on(EVER + timedelta(days=1), history_days=30)
    await fleet.on(NOW - timedelta(days=20))
    await fleet.on(NOW - timedelta(days=10), history_days=7)
    rows = [  # days ago: of the fix, of its arrival; shown
        (40, 40, False),
        (25, 25, True),
        (15, 15, True),
        (9, 9, False),
        (3, 3, True),
        (200, 15, True),
        (60, 22, False),
        (26, 3, False),
    ]
    expected = sorted(-fix for fix, _, shown in rows if shown)
    moments = [NOW.replace(microsecond=0) - timedelta(days=fix, minutes=5) for fix, _, _ in rows]
    numbers = []
    async with world.server.database.pool.connection() as connection:
        for number, (moment, (fix, arrival, _)) in enumerate(zip(moments, rows, strict=True), 7_000_000_000):
            received = moment if fix == arrival else NOW - timedelta(days=arrival)
            await connection.execute(
                "INSERT INTO positions"
                " (id, device_id, time, received, valid, outlier, late, distance_m, latitude, longitude, speed_kmh)"
                " VALUES (%s, %s, %s, %s, true, false, false, 100, 43.0, 76.0, 50)",
                [number, fleet.device, moment, received],
            )
            await connection.execute(
                "INSERT INTO events (device_id, time, type, subject, position_id) VALUES (%s, %s, 'alarm', 'sos', %s)",
                [fleet.device, moment, number],
            )
            numbers.append(number)
    shown = [written(moment) for moment, row in sorted(zip(moments, rows, strict=True)) if row[2]]
    asked: dict[str, Any] = {"deviceId": fleet.device, "from": (NOW - timedelta(days=300)).isoformat(), "to": NOW.isoformat()}
    async with fleet.signed_in() as mine, world.signed_in("admin") as admin:
        positions = (await mine.get("/api/positions", params=asked)).json()
        assert [position["deviceTime"] for position in positions] == shown
        assert len(shown) == len(expected) == 4
        assert (await mine.get("/api/reports/route", params=asked)).json() == positions
        by_number = (await mine.get("/api/positions", params={"id": numbers})).json()
        assert sorted(position["deviceTime"] for position in by_number) == shown
        (summary,) = (await mine.get("/api/reports/summary", params=asked)).json()
        assert summary["distance"] == 400.0
        for ending in ("csv", "gpx", "kml"):
            text = (await mine.get(f"/api/positions/{ending}", params=asked)).text
            assert text.count({"csv": "\r\n", "gpx": "<trkpt", "kml": "76.0,43.0"}[ending]) == 4 + (ending == "csv")
        walked = (await mine.get("/api/positions", params={**asked, "limit": 3})).json()
        assert walked == positions[:3]
        # An event is as old as its time, whenever the tracker told of it
        told = [event["eventTime"] for event in (await mine.get("/api/reports/events", params=asked)).json()]
        assert told == [written(moments[place]) for place in (7, 1, 2, 4)]
        seen = (await admin.get("/api/reports/events", params=asked)).json()
        assert len(seen) == len(rows), "the provider's people see everything"
        assert len((await admin.get("/api/positions", params=asked)).json()) == len(rows)
        answers = [(await mine.get(f"/api/events/{event['id']}")).status_code for event in seen]
        assert answers == [200 if event["eventTime"] in told else 404 for event in seen]


@on_one_loop
async def test_a_report_without_a_place_does_not_tell_where_the_vehicle_was_before_what_is_shown(world: World) -> None:
    fleet = await customer(world)
    await fleet.on(EVER + timedelta(days=1), history_days=7)
    moment = NOW.replace(microsecond=0)
    async with world.server.database.pool.connection() as connection:
        for number, (days, latitude) in enumerate(((30, 43.0), (3, None), (2, 44.0), (1, None)), 7_100_000_000):
            await connection.execute(
                "INSERT INTO positions (id, device_id, time, received, valid, outlier, late, distance_m, latitude, longitude)"
                " VALUES (%s, %s, %s, %s, true, false, false, 0, %s, %s)",
                [number, fleet.device, *[moment - timedelta(days=days)] * 2, latitude, latitude and 76.0],
            )
    asked: dict[str, Any] = {"deviceId": fleet.device, "from": (NOW - timedelta(days=300)).isoformat(), "to": NOW.isoformat()}
    async with fleet.signed_in() as mine:
        found = (await mine.get("/api/positions", params=asked)).json()
        by_number = (await mine.get("/api/positions", params={"id": list(range(7_100_000_000, 7_100_000_004))})).json()
    assert [(one["latitude"], one["outdated"]) for one in found] == [(44.0, False), (44.0, True)]
    assert [one["id"] for one in by_number] == [7_100_000_002, 7_100_000_003]


@on_one_loop
async def test_reports_are_refused_where_the_tariff_has_none(world: World) -> None:
    fleet = await customer(world)
    await fleet.on(reports=False)
    asked: dict[str, Any] = {"deviceId": fleet.device, "from": (NOW - timedelta(days=1)).isoformat(), "to": NOW.isoformat()}
    async with fleet.signed_in() as mine, world.signed_in("admin") as admin:
        for name in ("route", "events", "stops", "trips", "summary"):
            refused(await mine.get(f"/api/reports/{name}", params=asked), "reports", "has no reports")
            assert (await admin.get(f"/api/reports/{name}", params=asked)).status_code == 200
        assert (await mine.get("/api/positions", params=asked)).status_code == 200
        await fleet.on()
        assert (await mine.get("/api/reports/route", params=asked)).status_code == 200


@on_one_loop
async def test_without_an_api_in_the_tariff_only_people_come_in(world: World) -> None:
    fleet = await customer(world)
    basic = httpx.BasicAuth(f"{fleet.name}@example.com", PASSWORD)
    async with fleet.signed_in() as mine, world.visitor() as program, world.visitor() as browser:
        token = (await mine.post("/api/session/token")).text
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await program.get("/api/devices", headers=bearer)).status_code == 200
        assert (await browser.get("/api/session", params={"token": token})).status_code == 200  # from now on its cookie
        socket = f"ws://localhost:{world.port}/api/socket?token={token}"
        async with websockets.connect(socket):
            pass
        await fleet.on(api=False)
        refused(await program.get("/api/devices", headers=bearer), "api", "has no API")
        refused(await program.get("/api/devices", auth=basic), "api", "has no API")
        refused(await program.get("/api/session", params={"token": token}), "api", "has no API")
        refused(await browser.get("/api/devices"), "api", "has no API")
        page = await browser.get("/trackers")
        assert (page.status_code, page.headers["location"]) == (303, "/login?next=/trackers")
        with pytest.raises(websockets.InvalidStatus, match="403"):
            async with websockets.connect(socket):
                pass
        refused(await mine.post("/api/session/token"), "api", "has no API")
        assert (await mine.get("/api/devices")).status_code == 200
        assert (await mine.post("/api/session/token/revoke", data={"token": token})).status_code == 204
        wrong = await program.get("/api/devices", auth=httpx.BasicAuth(f"{fleet.name}@example.com", "wrong"))
        assert wrong.status_code == 401, "who doesn't know the password learns nothing of the tariff"


@on_one_loop
async def test_a_programs_socket_ends_when_the_tariff_has_no_api_any_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.api.socket.STILL_THERE_S", 0.1)
    fleet = await customer(world)
    async with fleet.signed_in() as mine:
        token = (await mine.post("/api/session/token")).text
    async with websockets.connect(f"ws://localhost:{world.port}/api/socket?token={token}") as socket:
        await fleet.on(api=False)
        async with asyncio.timeout(5):
            await socket.wait_closed()
    assert socket.close_code == 4401


@on_one_loop
async def test_the_providers_people_are_never_limited(world: World) -> None:
    """Whatever their own account is on, and in others' accounts."""
    fleet = await customer(world)
    tariff = await fleet.on(reports=False, api=False, zones=0, proximities=0)
    async with world.server.database.pool.connection() as connection:
        await connection.execute(
            "UPDATE billing_accounts SET tariff_id = %s WHERE account_id = %s", [tariff, world.ids["Provider"]]
        )
    basic = httpx.BasicAuth("admin@example.com", PASSWORD)
    async with world.visitor() as program:
        assert (await program.get("/api/devices", auth=basic)).status_code == 200
        zone = {**ZONE, "accountId": fleet.account}
        assert (await program.post("/api/geofences", json=zone, auth=basic)).status_code == 200


ZONE = {"name": "Depot", "area": "CIRCLE (43.25 76.90, 300)"}
LINES = "POINT (76.9 43.2)\nPOINT (76.8 43.2)\nPOINT (76.7 43.2)"


@on_one_loop
async def test_of_zones_added_at_once_only_as_many_are_there_as_are_allowed(world: World) -> None:
    fleet = await customer(world)
    await fleet.on(zones=4)
    async with fleet.signed_in() as mine:
        file = {"content": LINES.encode(), "params": {"save": "true"}}
        answers = await asyncio.gather(
            *(mine.post("/api/geofences", json=ZONE) for _ in range(5)),
            *(mine.post("/api/geofences/import", **file) for _ in range(2)),
        )
        there = (await mine.get("/api/geofences")).json()
        added = sum((1, 3)[place >= 5] for place, answer in enumerate(answers) if answer.status_code == 200)
        assert len(there) == added <= 4
        assert added >= 3, "an import that doesn't fit must not keep out what does"
        for answer in answers:
            if answer.status_code != 200:
                refused(answer, "zones", "allows 4 zones", limit=4)


@on_one_loop
async def test_zones_over_the_limit_stay_and_can_be_changed_but_none_is_added(world: World) -> None:
    fleet = await customer(world)
    async with fleet.signed_in() as mine:
        ids = [(await mine.post("/api/geofences", json=ZONE)).json()["id"] for _ in range(3)]
        await fleet.on(zones=2)
        assert len((await mine.get("/api/geofences")).json()) == 3
        assert (await mine.put(f"/api/geofences/{ids[0]}", json={"name": "Yard"})).json()["name"] == "Yard"
        answer = await mine.post("/api/geofences", json=ZONE)
        problem = refused(answer, "zones", "there are 3", limit=2, there=3)
        assert "Remove some, or choose another tariff" in problem["detail"]
        problem = refused(
            await mine.post("/api/geofences/import", content=LINES, params={"save": "true"}), "zones", "3 would be added"
        )
        assert (await mine.post("/api/geofences/import", content=LINES)).status_code == 200, "to look at a file costs nothing"
        await mine.delete(f"/api/geofences/{ids[0]}")
        refused(await mine.post("/api/geofences", json=ZONE), "zones", "there are 2", limit=2)
        await mine.delete(f"/api/geofences/{ids[1]}")
        assert (await mine.post("/api/geofences", json=ZONE)).status_code == 200


@on_one_loop
async def test_proximities_are_counted_as_zones_are(world: World) -> None:
    fleet = await customer(world)
    await fleet.on(proximities=2)
    body = {"name": "near", "deviceId": fleet.device, "latitude": 43.2, "longitude": 76.9, "enter": 100}
    async with fleet.signed_in() as mine:
        answers = await asyncio.gather(*(mine.post("/api/proximities", json=body) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 403, 403, 403, 403]
        refused(await mine.post("/api/proximities", json=body), "proximities", "allows 2 proximities: there are 2", limit=2)
        (first, _) = (await mine.get("/api/proximities")).json()
        assert (await mine.put(f"/api/proximities/{first['id']}", json={"name": "nearer"})).status_code == 200
        await fleet.on(proximities=0)
        refused(await mine.post("/api/proximities", json=body), "proximities", "allows 0 proximities", limit=0)


def refused(answer: httpx.Response, feature: str, says: str, **values: object) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert answer.status_code == 403, problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["feature"]) == ("tariff", feature)
    assert says in problem["detail"]
    assert {name: problem[name] for name in values} == values
    assert problem["tariff"] in problem["detail"]
    return problem


def written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


# --- kept in memory


@pytest.fixture
async def changes(database: Database) -> Changes:
    return Changes(database)


async def test_it_is_asked_of_the_database_once_and_again_after_a_change(database: Database, changes: Changes) -> None:
    allowances = Allowances(database)
    allowances.watch(changes)
    task = asyncio.create_task(changes.run())
    try:
        ((account,),) = await fetch(database, "INSERT INTO accounts (name) VALUES ('Fleet') RETURNING id")
        assert (await allowances.of(account)).tariff == "Free"
        await asyncio.sleep(0.2)  # what was told of the new account is heard
        assert (await allowances.of(account)).history == History()
        asked = database.pool.get_stats()["requests_num"]
        for _ in range(100):
            await allowances.of(account)
        assert database.pool.get_stats()["requests_num"] == asked
        async with database.pool.connection() as connection:
            first = tariffs.NewVersion(since=date(2020, 1, 1), price=300, zones=7)
            start = await tariffs.add(connection, "Start", "", "EUR", first)
        async with open_book(database, account) as book:
            await tariffs.change(book, start.id)
        assert await within_a_second(allowances, account) == ("Start", 7)
        async with database.pool.connection() as connection:  # a version of today: by hand, as the editor refuses it
            await connection.execute("UPDATE tariff_versions SET zones = 9 WHERE tariff_id = %s", [start.id])
        assert await within_a_second(allowances, account, 9) == ("Start", 9)
        # Nobody hears of this one, as the connection is gone at that moment
        name = conninfo_to_dict(database.url)["dbname"]
        async with await database.connect() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND query LIKE 'LISTEN%%'", [name]
            )
            await connection.execute("UPDATE tariff_versions SET zones = 11 WHERE tariff_id = %s", [start.id])
        assert await within_a_second(allowances, account, 11, patience_s=5) == ("Start", 11)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def within_a_second(allowances: Allowances, account: int, zones: int = 7, patience_s: float = 1) -> tuple[str, int | None]:
    until = clock.monotonic() + patience_s
    while True:
        found = await allowances.of(account)
        if found.zones == zones or clock.monotonic() > until:
            return found.tariff, found.zones
        await asyncio.sleep(0.02)


async def test_at_the_accounts_midnight_it_is_looked_at_again(database: Database) -> None:
    now = utc("2026-03-19 18:59:59")
    allowances = Allowances(database, clock=lambda: now)
    ((account,),) = await fetch(database, "INSERT INTO accounts (name, time_zone) VALUES ('Fleet', 'Asia/Almaty') RETURNING id")
    await fetch(
        database,
        "INSERT INTO tariff_versions (tariff_id, since, price, history_days)"
        " SELECT tariff_id, '2026-03-20', 0, 10 FROM billing_accounts WHERE account_id = %s RETURNING id",
        [account],
    )
    assert not (await allowances.of(account)).history.windows
    now = utc("2026-03-19 19:00")
    (all_of_it, ten_days) = (await allowances.of(account)).history.windows
    assert (all_of_it.received_until, all_of_it.not_before) == (now, None)
    assert ten_days.not_before == utc("2026-03-09 19:00")


async def test_an_answer_from_before_a_change_is_not_kept(database: Database, changes: Changes) -> None:
    """The change is told while the query is under way."""
    allowances = Allowances(database)
    ((account,),) = await fetch(database, "INSERT INTO accounts (name) VALUES ('Fleet') RETURNING id")
    async with await database.connect() as locking, locking.transaction():
        await locking.execute("LOCK TABLE tariffs IN ACCESS EXCLUSIVE MODE")
        asking = asyncio.create_task(allowances.of(account))
        await asyncio.sleep(0.1)
        await allowances._forget({account})
        await locking.execute("UPDATE tariff_versions SET zones = 1")
    await asking
    assert (await allowances.of(account)).zones == 1


PAST = {"device_id": 1, "device_ids": [1], "ids": [1], "since": NOW - timedelta(days=9), "until": NOW, "bound": 10}
PAST |= {"after": NOW - timedelta(days=9), "limit": 10, "id": 1, "types": None, "everything": False, "account_id": 1}


@pytest.mark.parametrize("name", ["history", "history_size", "track", "place_before", "positions_by_id", "events", "event"])
async def test_where_nothing_is_limited_nothing_is_asked_of_a_row(database: Database, name: str) -> None:
    limited = History(
        (Window(EVER, NOW - timedelta(days=3), None), Window(NOW - timedelta(days=3), NEVER, NOW - timedelta(days=5)))
    )
    for history in (History(), limited):
        async with database.pool.connection() as connection:  # a hypertable without rows has no plan
            for at in (NOW - timedelta(days=1), NOW - timedelta(days=10)):
                await connection.execute(
                    "INSERT INTO events (device_id, time, type) VALUES (1, %s, 'alarm') ON CONFLICT DO NOTHING", [at]
                )
                await connection.execute(
                    "INSERT INTO positions (id, device_id, time, received, valid, outlier, late, distance_m)"
                    " VALUES (1, 1, %s, %s, true, false, false, 0) ON CONFLICT DO NOTHING",
                    [at, at],
                )
            found = await connection.execute(b"EXPLAIN " + sql.text(name), {**PAST, **history.sql}, prepare=False)
            plan = "\n".join(row[0] for row in await found.fetchall())
        assert ("width_bucket" in plan) == bool(history.windows), plan
        if name in ("history", "track", "history_size", "place_before"):
            assert "Index" in plan, plan
            assert "device_id" in plan
