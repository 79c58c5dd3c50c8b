"""Who is asking: a session's cookie, a bearer token, or a name and password, and what they may see.

Secrets are 256 random bits; the database has only their SHA-256, so that a stolen copy of it opens nothing. A secret that was
good is believed for a few seconds without asking the database again; what this process revokes is forgotten at once, and live
sockets that stand on it are closed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from psycopg import AsyncConnection
from starlette.requests import HTTPConnection

from billing.allowances import Allowances
from billing.errors import Refused
from dashboards import passwords, sql
from dashboards.problems import Problem
from dashboards.throttle import Throttle
from telematics.devices import Device
from telematics.store.database import Database

COOKIE = "JSESSIONID"  # as Traccar's, which some of its apps look for
SESSION_LASTS = timedelta(days=30)  # from the last day it was used
SLIDES_AFTER = timedelta(days=1)  # so that a session costs one UPDATE a day
COOKIE_LASTS_S = 400 * 86400  # the longest that browsers keep one; the server knows better when it ends
SESSIONS_KEPT = 100  # per user, the newest; clients that log in again and again fill no table
TOKENS_KEPT = 100  # per user
TOKEN_LASTS = timedelta(days=7)  # unless told otherwise, as in Traccar
BELIEVED_S = 5.0
PASSWORD_BELIEVED_S = 60.0  # Home Assistant sends one with each poll, and argon2 is slow on purpose
BELIEVED = 10_000  # secrets remembered, a few hundred bytes each
SOCKETS_PER_USER = 50  # a person has some tabs; a script in a loop must not eat the server

Kind = Literal["session", "token", "password"]
CommandRight = Literal["all", "saved", "none"]  # which commands somebody may send to trackers
Then = Callable[[AsyncConnection[Any]], Awaitable[None]]  # in the same transaction


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who is signed in."""

    user_id: int
    account_id: int
    email: str
    name: str
    administrator: bool
    readonly: bool
    language: str | None
    attributes: dict[str, Any] = field(default_factory=dict)
    commands: CommandRight = "all"

    @property
    def sends(self) -> CommandRight:
        """Which commands they may send: who may only look sends none."""
        return "none" if self.readonly else self.commands

    @property
    def scope(self) -> dict[str, Any]:
        """For SQL: `(%(everything)s OR account_id = %(account_id)s)`."""
        return {"everything": self.administrator, "account_id": self.account_id}

    def sees(self, device: Device) -> bool:
        return self.administrator or device.account_id == self.account_id


@dataclass(frozen=True, slots=True)
class Signed:
    """A viewer, and what vouches for it."""

    viewer: Viewer
    kind: Kind
    key: bytes  # SHA-256 of the secret; of name and password under this process's own key
    expires_at: datetime | None = None  # None: as long as the password stays


@dataclass(frozen=True, slots=True)
class Holder:
    """A row of `signed_in.sql`, `user_by_email.sql` and `user_by_id.sql`."""

    user_id: int
    account_id: int
    email: str
    name: str
    administrator: bool
    readonly: bool
    commands: CommandRight
    language: str | None
    attributes: dict[str, Any]
    password_hash: str
    kind: Kind = "password"
    expires_at: datetime | None = None

    def viewer(self) -> Viewer:
        return Viewer(
            self.user_id,
            self.account_id,
            self.email,
            self.name,
            self.administrator,
            self.readonly,
            self.language,
            self.attributes,
            self.commands,
        )


@dataclass(slots=True)
class Believed:
    signed: Signed
    password_hash: str
    row_until: float  # monotonic seconds: until then the database isn't asked
    until: float


@dataclass(slots=True)
class Auth:
    database: Database
    throttle: Throttle = field(default_factory=Throttle)
    allowances: Allowances | None = None  # None: whatever an account's tariff, programs may come in
    _believed: OrderedDict[bytes, Believed] = field(default_factory=OrderedDict)
    _watched: defaultdict[int, list[tuple[Signed, asyncio.Event]]] = field(default_factory=lambda: defaultdict(list))
    _checking: dict[bytes, asyncio.Task[Signed]] = field(default_factory=dict)
    _pepper: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _forgotten: int = 0  # counts revocations: an answer from before one is not believed after it

    # --- signing in and out

    async def login(self, email: str, password: str, address: str) -> Viewer:
        """Raises Problem 401 when they don't fit, 429 when it's too early to try again."""
        return (await self._login(email, password, address)).viewer()

    async def _login(self, email: str, password: str, address: str) -> Holder:
        email = email.strip().lower()
        if wait_s := self.throttle.wait_s(email, address, time.monotonic()):
            after = str(int(wait_s) + 1)
            raise Problem(429, "Too many failed logins", f"Try again in {after} s.", {"Retry-After": after})
        self.throttle.failed(email, address, time.monotonic())  # until the contrary is known, or guesses at once would be free
        try:
            holder = await self._matching(email, password)
        except BaseException:
            self.throttle.undone(email, address)
            raise
        if holder is None:
            advice = "Check both; after several failures the server waits before the next try."
            raise Problem(401, "Wrong e-mail or password", advice)
        self.throttle.succeeded(email, address)
        if passwords.outdated(holder.password_hash):
            holder = replace(holder, password_hash=await passwords.hashed(password))
            await sql.run(self.database, "set_password", user_id=holder.user_id, password_hash=holder.password_hash)
        return holder

    async def _matching(self, email: str, password: str) -> Holder | None:
        usable = len(password) <= passwords.LONGEST and "\0" not in email
        holder = await sql.row(self.database, "user_by_email", Holder, email=email) if usable else None
        fits = await passwords.matches(password[: passwords.LONGEST], holder.password_hash if holder else None)
        return holder if fits else None

    async def open_session(self, viewer: Viewer, address: str, user_agent: str) -> str:
        """The secret for the cookie."""
        secret = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            parameters = {
                "hash": digest(secret),
                "user_id": viewer.user_id,
                "expires_at": now + SESSION_LASTS,
                "address": address[:64],
                "user_agent": user_agent[:256].replace("\0", ""),
                "kept": SESSIONS_KEPT,
            }
            await connection.execute(sql.text("open_session"), parameters)
            await connection.execute(sql.text("tidy_sessions"), parameters)
        return secret

    async def close_session(self, secret: str) -> None:
        key = digest(secret)
        await sql.run(self.database, "close_session", hash=key)
        self.forget(key)

    async def issue_token(self, signed: Signed, expires_at: datetime | None, then: Then | None = None) -> str:
        """A token for programs. One that was asked for with a token doesn't outlive it. Raises NotInTariff."""
        await self._check_tariff(signed.viewer)
        now = datetime.now(UTC)
        expires_at = expires_at or now + TOKEN_LASTS
        if signed.kind == "token" and signed.expires_at:
            expires_at = min(expires_at, signed.expires_at)
        if expires_at <= now:
            raise Problem(400, "The token would have expired already", "Give an expiration in the future.")
        secret = secrets.token_urlsafe(32)
        values = {"hash": digest(secret), "user_id": signed.viewer.user_id, "expires_at": expires_at, "kept": TOKENS_KEPT}
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            added = await sql.run_on(connection, "add_token", **values)
            if added and then is not None:
                await then(connection)
        if not added:
            raise Problem(400, "Too many tokens", f"You have {TOKENS_KEPT} that have not expired: revoke one first.")
        return secret

    async def revoke_token(self, viewer: Viewer, token: str, then: Then | None = None) -> None:
        """Raises Problem 404 when it's not a token of the viewer's."""
        key = digest(token)
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            removed = await sql.run_on(connection, "remove_token", hash=key, user_id=viewer.user_id)
            if removed and then is not None:
                await then(connection)
        if not removed:
            raise Problem(404, "No such token", "It has expired, was revoked already, or isn't yours.")
        self.forget(key)

    # --- who is it

    async def signed_in(self, connection: HTTPConnection, token: str | None = None) -> Signed | None:
        """Whoever vouches first: the Authorization header, `token`, the cookie. None: nobody.

        Raises Problem 401 for a wrong Authorization header, since whoever sends one wants to know, and NotInTariff where programs
        have no business: a session alone is a person's.
        """
        signed = await self._vouched(connection, token)
        if signed is not None and signed.kind != "session":
            await self._check_tariff(signed.viewer)
        return signed

    async def _vouched(self, connection: HTTPConnection, token: str | None) -> Signed | None:
        header = connection.headers.get("authorization")
        if header:
            return await self._by_header(header, client_address(connection))
        if token is not None:
            return await self._by_secret(token)
        cookie = connection.cookies.get(COOKIE)
        return await self._by_secret(cookie) if cookie else None

    async def still(self, signed: Signed) -> bool:
        """Whether it's still good; asks the database at most every few seconds."""
        if signed.kind != "session":
            try:
                await self._check_tariff(signed.viewer)
            except Refused:
                return False
        known = self._believed.get(signed.key)
        if known and known.row_until > time.monotonic():
            return known.signed.viewer == signed.viewer
        found = await self._ask(signed.key) if signed.kind != "password" else await self._ask_user(signed, known)
        return found is not None and found.viewer == signed.viewer

    async def _check_tariff(self, viewer: Viewer) -> None:
        if self.allowances is not None and not viewer.administrator:
            (await self.allowances.of(viewer.account_id)).check_api()

    async def _by_header(self, header: str, address: str) -> Signed:
        scheme, _, credentials = header.partition(" ")
        credentials = credentials.strip()
        if scheme.lower() == "bearer":
            signed = await self._by_secret(credentials)
            if signed is None or signed.kind != "token":
                raise _unauthorized("The token is wrong, has expired or was revoked", "Get one from /api/session/token.")
            return signed
        if scheme.lower() == "basic":
            return await self._by_password(credentials, address)
        raise _unauthorized(
            "The Authorization header can't be used", "Send Bearer with a token, or Basic with e-mail and password."
        )

    async def _by_secret(self, secret: str) -> Signed | None:
        if not 16 <= len(secret) <= 256:
            return None
        key = digest(secret)
        known = self._believed.get(key)
        if known and known.row_until > time.monotonic():
            return known.signed if not _expired(known.signed) else None
        return await self._ask(key)

    async def _ask(self, key: bytes) -> Signed | None:
        before = self._forgotten
        holder = await sql.row(self.database, "signed_in", Holder, hash=key)
        if holder is None or holder.expires_at is None:
            self._believed.pop(key, None)
            return None
        if holder.kind == "session" and holder.expires_at - datetime.now(UTC) < SESSION_LASTS - SLIDES_AFTER:
            await sql.run(self.database, "extend_session", hash=key, expires_at=datetime.now(UTC) + SESSION_LASTS)
        signed = Signed(holder.viewer(), holder.kind, key, holder.expires_at)
        if self._forgotten == before:
            now = time.monotonic()
            self._believe(key, Believed(signed, holder.password_hash, row_until=now + BELIEVED_S, until=now + BELIEVED_S))
        return signed

    async def _by_password(self, credentials: str, address: str) -> Signed:
        key = hmac.digest(self._pepper, credentials.encode(), "sha256")
        known = self._believed.get(key)
        now = time.monotonic()
        if known and known.until > now:
            if known.row_until > now:
                return known.signed
            if again := await self._ask_user(known.signed, known):
                return again
        checking = self._checking.get(key)
        if checking is None:  # Home Assistant starts with several requests at once: one check is enough for all
            checking = asyncio.create_task(self._check(key, credentials, address))
            self._checking[key] = checking
            checking.add_done_callback(lambda _: self._checking.pop(key, None))
        return await asyncio.shield(checking)

    async def _check(self, key: bytes, credentials: str, address: str) -> Signed:
        email, password = _name_and_password(credentials)
        before = self._forgotten
        try:
            holder = await self._login(email, password, address)
        except Problem as problem:
            if problem.status == 401:
                problem.headers["WWW-Authenticate"] = 'Basic realm="api"'
            raise
        signed = Signed(holder.viewer(), "password", key)
        if self._forgotten == before:
            now = time.monotonic()
            until = now + PASSWORD_BELIEVED_S
            self._believe(key, Believed(signed, holder.password_hash, row_until=now + BELIEVED_S, until=until))
        return signed

    async def _ask_user(self, signed: Signed, known: Believed | None) -> Signed | None:
        """The same user as the database has it now, if the password is still the one that was checked."""
        before = self._forgotten
        holder = await sql.row(self.database, "user_by_id", Holder, user_id=signed.viewer.user_id)
        if holder is None or (known and holder.password_hash != known.password_hash):
            self._believed.pop(signed.key, None)
            return None
        again = replace(signed, viewer=holder.viewer())
        if known and self._forgotten == before:
            self._believe(signed.key, replace(known, signed=again, row_until=time.monotonic() + BELIEVED_S))
        return again

    def _believe(self, key: bytes, what: Believed) -> None:
        self._believed[key] = what
        self._believed.move_to_end(key)
        while len(self._believed) > BELIEVED:
            self._believed.popitem(last=False)

    # --- no longer

    def forget(self, key: bytes) -> None:
        """A session or token ends now."""
        self._forget_where(lambda signed: signed.key == key)

    def forget_user(self, user_id: int) -> None:
        """A user was changed: what was believed of them is asked again, and their sockets start anew."""
        self._forget_where(lambda signed: signed.viewer.user_id == user_id)

    def forget_account(self, account_id: int) -> None:
        self._forget_where(lambda signed: signed.viewer.account_id == account_id)

    def _forget_where(self, ends: Callable[[Signed], bool]) -> None:
        self._forgotten += 1
        for key in [key for key, known in self._believed.items() if ends(known.signed)]:
            del self._believed[key]
        for watchers in self._watched.values():
            for signed, ended in watchers:
                if ends(signed):
                    ended.set()

    @contextmanager
    def watch(self, signed: Signed) -> Iterator[asyncio.Event]:
        """For a live socket: the event is set when what vouches for it ends. Raises Problem 429 past the bound per user."""
        watchers = self._watched[signed.viewer.user_id]
        if len(watchers) >= SOCKETS_PER_USER:
            raise Problem(429, "Too many live connections", f"A user may have {SOCKETS_PER_USER}: close some.")
        watcher = (signed, asyncio.Event())
        watchers.append(watcher)
        try:
            yield watcher[1]
        finally:
            watchers.remove(watcher)
            if not watchers:
                self._watched.pop(signed.viewer.user_id, None)


def digest(secret: str) -> bytes:
    """What the database keeps of a secret."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def client_address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else "unknown"


def _expired(signed: Signed) -> bool:
    return signed.expires_at is not None and signed.expires_at <= datetime.now(UTC)


def _name_and_password(credentials: str) -> tuple[str, str]:
    try:
        raw = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    try:
        email, colon, password = raw.decode().partition(":")
    except UnicodeDecodeError:
        email, colon, password = raw.decode("latin-1").partition(":")  # what aiohttp sends, unless told otherwise
    if not colon:
        raise _unauthorized("The Authorization header can't be read", "Basic is followed by base64 of e-mail:password, in UTF-8.")
    return email, password


def _unauthorized(title: str, detail: str) -> Problem:
    return Problem(401, title, detail, {"WWW-Authenticate": "Bearer"})
