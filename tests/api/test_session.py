"""Signing in and out: cookies, tokens, Basic, guessing, other sites' pages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import websockets

from dashboards import identity, passwords
from tests.api.conftest import PASSWORD, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
LOGIN = {"email": "anna@example.com", "password": PASSWORD}


async def column(world: World, query: str) -> list[object]:
    async with world.server.database.pool.connection() as connection:
        return [row[0] for row in await (await connection.execute(query.encode())).fetchall()]


@pytest.mark.parametrize("how", [{"data": LOGIN}, {"json": LOGIN}, {"data": {**LOGIN, "email": " Anna@Example.com "}}])
async def test_login_gives_the_user_and_a_cookie(world: World, how: dict[str, object]) -> None:
    async with world.visitor() as client:
        assert (await client.get("/api/session")).status_code == 404
        answer = await client.post("/api/session", **how)  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert answer.json()["email"] == "anna@example.com"
        assert answer.json()["administrator"] is False
        assert "password" not in answer.text.replace('"password":null', "")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "path=/" in cookie
        assert "secure" not in cookie
        secret = client.cookies["JSESSIONID"]
        hashes = await column(world, "SELECT hash FROM sessions")
        assert hashlib.sha256(secret.encode()).digest() in hashes
        assert (await client.get("/api/session")).json()["name"] == "Anna"
        assert (await client.delete("/api/session")).status_code == 204
        assert (await client.get("/api/session", headers={"Cookie": f"JSESSIONID={secret}"})).status_code == 404


async def test_the_cookie_is_secure_when_the_browser_came_by_tls(world: World) -> None:
    async with world.visitor() as client:
        answer = await client.post("/api/session", data=LOGIN, headers={"X-Forwarded-Proto": "https"})
        assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"email": "anna@example.com", "password": "wrong"}, 401),
        ({"email": "nobody@example.com", "password": PASSWORD}, 401),
        ({"email": "\0", "password": PASSWORD}, 401),
        ({"email": "anna@example.com", "password": "x" * 5000}, 401),
        ({"email": "anna@example.com"}, 400),
        ({}, 400),
    ],
)
async def test_login_refused(world: World, body: dict[str, str], status: int) -> None:
    async with world.visitor() as client:
        for answer in (await client.post("/api/session", data=body), await client.post("/api/session", json=body)):
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
            assert "set-cookie" not in answer.headers
    world.app.state.dashboards.auth.throttle.counts.clear()


async def test_guessing_is_slowed_and_others_are_not(world: World) -> None:
    throttle = world.app.state.dashboards.auth.throttle
    async with world.visitor() as client:
        statuses = [
            (await client.post("/api/session", data={"email": "boris@example.com", "password": str(guess)})).status_code
            for guess in range(8)
        ]
        assert statuses[:5] == [401] * 5
        assert 429 in statuses[5:]
        answer = await client.post("/api/session", data={"email": "boris@example.com", "password": PASSWORD})
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 300
        assert (await client.post("/api/session", data=LOGIN)).status_code == 200
    throttle.counts.clear()


async def test_many_requests_at_once_are_one_login_and_many_guesses_are_not(world: World) -> None:
    throttle = world.app.state.dashboards.auth.throttle
    async with world.visitor() as client:
        right = httpx.BasicAuth("rita@example.com", PASSWORD)
        answers = await asyncio.gather(*(client.get("/api/devices", auth=right) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        guesses = [{"email": "rita@example.com", "password": str(guess)} for guess in range(20)]
        answers = await asyncio.gather(*(client.post("/api/session", data=guess) for guess in guesses))
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(401) <= 6
        assert statuses.count(429) >= 14
    throttle.counts.clear()


async def test_a_disabled_user_or_account_is_out_at_once(world: World) -> None:
    async with world.signed_in("admin") as admin, world.signed_in("boris") as boris:
        user, account = world.ids["boris"], world.ids["Boris Ltd"]
        for path in (f"/api/users/{user}", f"/api/accounts/{account}"):
            assert (await boris.get("/api/devices")).status_code == 200
            assert (await admin.put(path, json={"disabled": True})).status_code == 200
            assert (await boris.get("/api/devices")).status_code == 401
            login = {"email": "boris@example.com", "password": PASSWORD}
            assert (await boris.post("/api/session", data=login)).status_code == 401
            assert (await admin.put(path, json={"disabled": False})).status_code == 200
            assert (await boris.get("/api/devices")).status_code == 200
    world.app.state.dashboards.auth.throttle.counts.clear()


async def test_tokens(world: World) -> None:
    async with world.signed_in("anna") as anna, world.visitor() as program:
        expiration = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
        token = (await anna.post("/api/session/token", data={"expiration": expiration})).text
        assert hashlib.sha256(token.encode()).digest() in await column(world, "SELECT hash FROM tokens")
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await program.get("/api/session", headers=bearer)).json()["name"] == "Anna"
        assert (
            await program.post("/api/devices", headers={**bearer, "Sec-Fetch-Site": "cross-site"}, json={})
        ).status_code == 400

        longer = (datetime.now(UTC) + timedelta(days=300)).isoformat().replace("+00:00", "Z")
        again = (await program.post("/api/session/token", headers=bearer, data={"expiration": longer})).text
        assert again != token
        until = await column(world, "SELECT max(expires_at) FROM tokens")
        assert until[0] < datetime.now(UTC) + timedelta(hours=2), "a token's token doesn't outlive it"  # type: ignore[operator]

        # a link with the token signs a browser in, for as long as the token lives
        answer = await program.get("/api/session", params={"token": token})
        assert answer.json()["name"] == "Anna"
        assert (await program.get("/api/devices")).status_code == 200
        assert (await anna.post("/api/session/token/revoke", data={"token": token})).status_code == 204
        assert (await program.get("/api/devices")).status_code == 401
        assert (await program.get("/api/session", headers=bearer)).status_code == 401
        assert (await anna.post("/api/session/token/revoke", data={"token": token})).status_code == 404


@pytest.mark.parametrize("expiration", ["2001-01-01T00:00:00Z", "yesterday", "0"])
async def test_a_token_needs_a_future(world: World, expiration: str) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/session/token", data={"expiration": expiration})
        assert answer.status_code == 400
        assert answer.json()["detail"]


async def test_basic_is_believed_for_a_while_and_not_after_a_new_password(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    email, old, new = "basil@example.com", "пароль старый", "пароль новый"
    async with world.signed_in("admin") as admin, world.visitor() as client:
        user = await admin.post("/api/users", json={"name": "Basil", "email": email, "password": old})
        basic = {"Authorization": "Basic " + base64.b64encode(f"{email}:{old}".encode()).decode()}
        assert (await client.get("/api/session", headers=basic)).status_code == 200
        monkeypatch.setattr(passwords, "matches", None)  # who asks argon2 again fails
        for _ in range(3):
            assert (await client.get("/api/devices", headers=basic)).status_code == 200
        monkeypatch.undo()
        assert (await admin.put(f"/api/users/{user.json()['id']}", json={"password": new})).status_code == 200
        answer = await client.get("/api/devices", headers=basic)
        assert answer.status_code == 401
        assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"no colon").decode(), "Bearer", "Bearer x", "Digest x", "x"]
)
async def test_authorization_that_cannot_be_read(world: World, header: str) -> None:
    async with world.visitor() as client:
        assert (await client.get("/api/devices", headers={"Authorization": header})).status_code == 401


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://["}, False),
    ],
)
async def test_other_sites_pages_change_nothing(world: World, headers: dict[str, str], allowed: bool) -> None:
    async with world.signed_in("anna") as anna:
        path = f"/api/devices/{world.ids['a1']}"
        assert (await anna.put(path, json={}, headers=headers)).status_code == (200 if allowed else 403)
        assert (await anna.post("/api/session", data=LOGIN, headers=headers)).status_code == (200 if allowed else 403)
        assert (await anna.get(path, headers=headers)).status_code == 200
        own = {"Origin": world.url}
        assert (await anna.put(path, json={}, headers=own)).status_code == 200


async def test_what_browsers_send_along_by_themselves_opens_nothing_to_other_sites(world: World) -> None:
    basic = "Basic " + base64.b64encode(f"anna@example.com:{PASSWORD}".encode()).decode()
    async with world.signed_in("anna") as anna, world.visitor() as visitor:
        bearer = f"Bearer {(await anna.post('/api/session/token')).text}"
        for authorization, headers, status in (
            (basic, {}, 200),
            (basic, {"Sec-Fetch-Site": "cross-site"}, 403),
            (basic, {"Origin": "https://evil.example"}, 403),
            (bearer, {"Origin": "https://app.example"}, 200),
        ):
            answer = await visitor.post("/api/session/token", headers={"Authorization": authorization, **headers})
            assert answer.status_code == status


@pytest.mark.parametrize("host", ["[", "[::1", "a:b"])
async def test_any_host_header(world: World, host: str) -> None:
    async with world.visitor() as visitor:
        assert (await visitor.post("/api/session", json=LOGIN, headers={"Host": host})).status_code == 200


async def test_the_socket_is_refused_and_closed(world: World) -> None:
    address = f"ws://localhost:{world.port}/api/socket"
    async with world.signed_in("anna") as anna:
        cookie = {"Cookie": f"JSESSIONID={anna.cookies['JSESSIONID']}"}
        for headers in (
            {},
            {"Cookie": "JSESSIONID=" + "x" * 43},
            {**cookie, "Origin": "https://evil.example"},
            {"Authorization": "Bearer x"},
        ):
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with websockets.connect(address, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 403
        token = (await anna.post("/api/session/token")).text
        async with (
            websockets.connect(address, additional_headers={**cookie, "Origin": world.url}) as by_cookie,
            websockets.connect(f"{address}?token={token}") as by_token,
            websockets.connect(address, additional_headers={"Authorization": f"Bearer {token}"}) as by_bearer,
        ):
            for socket in (by_cookie, by_token, by_bearer):
                assert set(json.loads(await socket.recv())) == {"devices", "positions"}
            await anna.post("/api/session/token/revoke", data={"token": token})
            await anna.delete("/api/session")
            for socket in (by_cookie, by_token, by_bearer):
                async with asyncio.timeout(5):
                    await socket.wait_closed()
                assert socket.close_code == 4401


async def test_sessions_slide_expire_and_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SESSIONS_KEPT", 3)
    monkeypatch.setattr(identity, "BELIEVED_S", 0.0)
    async with world.signed_in("rita") as rita:
        async with world.server.database.pool.connection() as connection:
            await connection.execute(
                "UPDATE sessions SET expires_at = now() + interval '2 days' WHERE user_id = %s", [world.ids["rita"]]
            )
        assert (await rita.get("/api/session")).status_code == 200
        (left,) = await column(world, f"SELECT expires_at - now() FROM sessions WHERE user_id = {world.ids['rita']}")
        assert left > timedelta(days=29)  # type: ignore[operator]
        async with world.server.database.pool.connection() as connection:
            await connection.execute("UPDATE sessions SET expires_at = now() WHERE user_id = %s", [world.ids["rita"]])
        assert (await rita.get("/api/session")).status_code == 404
        for _ in range(5):
            async with world.visitor() as client:
                await client.post("/api/session", data={"email": "rita@example.com", "password": PASSWORD})
        assert len(await column(world, f"SELECT hash FROM sessions WHERE user_id = {world.ids['rita']}")) == 3


async def test_headers_and_bounds(world: World) -> None:
    async with world.visitor() as client:
        answer = await client.get("/api/server")
        assert "server" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "worker-src 'self' blob:" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert (await client.put("/api/server", auth=httpx.BasicAuth("admin@example.com", PASSWORD))).status_code == 405
        assert (await client.post("/api/session", content=b"x" * (2 << 20))).status_code == 413

        async def drip() -> object:
            for _ in range(40):
                yield b"x" * 65536

        answer = await client.post("/api/session", content=drip(), headers={"Content-Type": "application/json"})  # type: ignore[arg-type]
        assert answer.status_code == 413
        missing = await client.get("/api/nothing")
        assert missing.status_code == 404
        assert missing.headers["content-type"] == "application/problem+json"


async def test_health_and_metrics(world: World) -> None:
    elsewhere = {"X-Forwarded-For": "203.0.113.7"}
    async with world.visitor() as local, world.signed_in("anna") as anna, world.signed_in("admin") as admin:
        assert (await local.get("/api/health")).json()["database"] == "external"
        assert (await local.get("/api/health", headers=elsewhere)).json() == {"status": "ok"}
        assert (await anna.get("/api/health", headers=elsewhere)).json() == {"status": "ok"}
        assert (await admin.get("/api/health", headers=elsewhere)).json()["edition"]
        assert (await local.get("/metrics")).status_code == 200
        assert (await local.get("/metrics", headers=elsewhere)).status_code == 401
        assert (await anna.get("/metrics", headers=elsewhere)).status_code == 403
        answer = await admin.get("/metrics", headers=elsewhere)
        assert answer.status_code == 200
        assert "telematics" in answer.text


async def test_openapi_describes_the_shapes(world: World) -> None:
    async with world.visitor() as client:
        schema = (await client.get("/api/openapi.json")).json()
        assert {"Position", "DeviceOut", "EventOut", "UserOut"} <= schema["components"]["schemas"].keys()
        assert "deviceId" in schema["components"]["schemas"]["Position"]["properties"]
        assert "jsdelivr" in (await client.get("/api/docs")).headers["content-security-policy"]
