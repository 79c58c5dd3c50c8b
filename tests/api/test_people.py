"""Accounts and users: who may make and change them, the first administrator, and the command for when nobody can sign in."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from dashboards import passwords, people
from telematics.cli import app
from telematics.config import Settings
from telematics.store.database import Database
from tests.api.conftest import PASSWORD, World

with_world = pytest.mark.asyncio(loop_scope="module")


def email() -> str:
    return f"{uuid4().hex[:12]}@example.com"


@with_world
async def test_an_account_with_its_user_lives(world: World) -> None:
    async with world.signed_in("admin") as admin:
        account = (
            await admin.post("/api/accounts", json={"name": "Karaganda Coal", "timeZone": "Asia/Almaty", "language": "kk"})
        ).json()
        assert account["timeZone"] == "Asia/Almaty"
        path = f"/api/accounts/{account['id']}"
        assert (await admin.put(path, json={"name": "Karaganda Coal LLP"})).json() == {**account, "name": "Karaganda Coal LLP"}

        new = {"name": "Dana", "email": email().upper(), "password": PASSWORD, "accountId": account["id"], "attributes": {"a": 1}}
        user = (await admin.post("/api/users", json=new)).json()
        assert (user["email"], user["accountId"], user["administrator"]) == (new["email"].lower(), account["id"], False)
        assert (await admin.post("/api/users", json=new)).status_code == 400
        async with world.visitor() as dana:
            answer = await dana.post("/api/session", data={"email": new["email"], "password": PASSWORD})
            assert answer.status_code == 200
            (rule,) = (await dana.get("/api/notifications")).json()
            assert (rule["description"], rule["types"], rule["channels"], rule["urgent"]) == (
                "Дабылдар",
                ["alarm"],
                ["web"],
                True,
            )
            assert [entry["id"] for entry in (await dana.get("/api/users")).json()] == [user["id"]]
            assert [entry["id"] for entry in (await dana.get("/api/accounts")).json()] == [account["id"]]
            own = f"/api/users/{user['id']}"
            assert (await dana.put(own, json={**user, "name": "Dana A.", "language": "ru"})).json()["language"] == "ru"
            assert (await dana.put(own, json={"email": "other@example.com"})).status_code == 403
            assert (await dana.put(own, json={"readonly": True})).status_code == 403
            # a new password ends all sessions
            assert (await dana.put(own, json={"password": "another one"})).status_code == 200
            assert (await dana.get("/api/session")).status_code == 404
        assert (await admin.delete(path)).status_code == 204
        assert (await admin.get(f"/api/users/{user['id']}")).status_code == 404
        assert (await admin.get(path)).status_code == 404


@with_world
async def test_somebody_can_always_administer(world: World) -> None:
    async with world.signed_in("admin") as admin:
        own = f"/api/users/{world.ids['admin']}"
        for change in ({"administrator": False}, {"readonly": True}, {"disabled": True}):
            answer = await admin.put(own, json=change)
            assert answer.status_code == 400
            assert "else an administrator" in answer.json()["detail"]
        assert (await admin.delete(own)).status_code == 400
        assert (await admin.delete(f"/api/accounts/{world.ids['Provider']}")).status_code == 400
        assert (await admin.put(f"/api/accounts/{world.ids['Provider']}", json={"disabled": True})).status_code == 400
        closed = (await admin.post("/api/accounts", json={"name": "Closed", "disabled": True})).json()["id"]
        assert (await admin.put(own, json={"accountId": closed})).status_code == 400


@with_world
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "short"}, "password"),
        ({"email": "nowhere"}, "email"),
        ({"email": "a\0@b"}, "email"),
        ({"name": ""}, "name"),
        ({"language": "Klingon language"}, "language"),
        ({"attributes": {"x": "y" * 20_000}}, "bytes"),
    ],
)
async def test_a_user_refused(world: World, change: dict[str, Any], says: str) -> None:
    async with world.signed_in("admin") as admin:
        answer = await admin.post("/api/users", json={"name": "x", "email": email(), "password": PASSWORD, **change})
        assert answer.status_code == 400
        assert says in answer.json()["detail"]
        assert (await admin.post("/api/accounts", json={"name": "x", "timeZone": "Mars/Olympus"})).status_code == 400


async def test_the_first_administrator_is_made_once(database: Database) -> None:
    password = await people.ensure_first_administrator(database, "Chief@Example.com")
    assert password
    assert await people.ensure_first_administrator(database, "other@example.com") is None
    async with database.pool.connection() as connection:
        rows = await (await connection.execute("SELECT email, administrator, password_hash FROM users")).fetchall()
    ((address, administrator, password_hash),) = rows
    assert (address, administrator) == ("chief@example.com", True)
    assert await passwords.matches(password, password_hash)
    assert not await passwords.matches(password, None)


def test_the_command_adds_people_and_sets_passwords(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.database_url
    monkeypatch.setenv("TELEMATICS_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TELEMATICS_DATA_DIR", str(settings.data_dir))
    monkeypatch.delenv("TELEMATICS_CONFIG")

    def run(*arguments: str, given: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["user", *arguments], input=given)
        return result.exit_code, result.output

    code, said = run("add", "eve@example.com", "--account", "Eve Ltd", given="a good password\n")
    assert (code, said) == (0, "eve@example.com may sign in\n")
    code, said = run("add", "eve@example.com", given="a good password\n")
    assert code == 1
    assert "already" in said
    assert run("add", "x@example.com", given="short\n")[0] == 2
    code, said = run("password", "eve@example.com", given="\n")
    assert code == 0
    assert "-" in said.rpartition(" ")[2]
    assert run("password", "nobody@example.com", given="a good password\n")[0] == 1


async def test_old_hashes_are_renewed_at_login(database: Database) -> None:
    from argon2 import PasswordHasher

    from dashboards.identity import Auth

    account = await people.create_account(database, "x")
    await people.create_user(database, email="old@example.com", password=PASSWORD, account_id=account.id)
    async with database.pool.connection() as connection:
        weak = PasswordHasher(time_cost=2, memory_cost=32, parallelism=1).hash(PASSWORD)
        await connection.execute("UPDATE users SET password_hash = %s", [weak])
    await Auth(database).login("old@example.com", PASSWORD, "192.0.2.1")
    async with database.pool.connection() as connection:
        row = await (await connection.execute("SELECT password_hash FROM users")).fetchone()
    assert row is not None
    assert row[0] != weak
    assert await passwords.matches(PASSWORD, row[0])


async def test_an_account_is_made_once_by_its_name(database: Database) -> None:
    assert (await people.account_named(database, "Twice")).id == (await people.account_named(database, "Twice")).id
