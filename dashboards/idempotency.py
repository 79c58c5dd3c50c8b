"""Requests that may be sent again: whoever moves money names each deed by an `Idempotency-Key`, and it is done once.

    @router.post("/tariff")
    async def change_tariff(change: Change, viewer: auth.Editor, once: idempotency.Once) -> Response:
        async with once.book(account_id) as book:              # or once.transaction() where there is no account's book
            outcome = await tariffs.change(book, change.tariff_id)
            await once.actor.note(book.connection, "tariff.changed", account_id=account_id, details=…)
            return await once.keep(book.connection, shaped(outcome))

The key's row is written first in the very transaction that does the work, and gets the answer last: after a crash there are both
or neither, and of two requests at once the second waits at the row's primary key. What was answered before is told again, with
`Idempotent-Replayed: true`. Refusals leave nothing: nothing was done, so that the same request, sent again after a top-up, is
tried anew, and a mended one may have the same key.

Where a provider must be asked in between, outside of any transaction, `reference` is the same whenever the same request comes:
    async with once.alone():                                   # gives the stored answer, if there is one; never two at once here
        page = await provider.page(once.reference, …)          # which the provider takes for the same order
        async with once.transaction() as connection: …
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Header, Request, Response
from psycopg import AsyncConnection

from billing.book import open_book
from billing.ledger import Book
from dashboards import sql
from dashboards.audited import Actor, Author
from dashboards.identity import Viewer
from dashboards.problems import Problem
from dashboards.state import Shared, State

HEADER = "Idempotency-Key"
LONGEST = 255
WAIT_S = 10.0  # for the same request under way; the browser's user has gone by then, and a program asks again
_NAMESPACE = uuid.UUID("8e1b3f0e-5d0b-4c5e-9d5e-3a7f6f1f0c11")


class Replayed(Exception):
    """It was done before: ends the request, and what it began, with the answer that was given then."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"answered before with {answer.status}")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    """A row of `idempotency_key.sql`."""

    request: bytes
    status: int
    answer: str


@dataclass(slots=True)
class Deed:
    """A request under its key."""

    state: State
    actor: Actor
    key: str
    request: bytes  # SHA-256 of method, address and body
    _alone: bool = False
    _kept: bool = False
    _lock: asyncio.Lock | None = field(default=None, repr=False)

    @property
    def viewer(self) -> Viewer:
        return self.actor.viewer

    @property
    def reference(self) -> uuid.UUID:
        """Of this request, whenever it comes: for what is asked of others."""
        return uuid.uuid5(_NAMESPACE, f"{self.viewer.user_id} {self.request.hex()} {self.key}")

    @asynccontextmanager
    async def book(self, account_id: int) -> AsyncIterator[Book]:
        """The account's book, with the key in its transaction. The caller has seen to it that the viewer may."""
        async with self.alone(), open_book(self.state.server.database, account_id, user_id=self.viewer.user_id) as book:
            await self._begin(book.connection)
            yield book
            assert self._kept, "a deed without an answer would be done again"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        """For what is in no account's book."""
        async with self.alone(), self.state.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
            await self._begin(connection)
            yield connection
            assert self._kept, "a deed without an answer would be done again"

    async def keep(self, connection: AsyncConnection[Any], value: Any, status: int = 200) -> Response:
        """The answer, which is given again from the commit on."""
        text = msgspec.json.encode(value).decode()
        await connection.execute(
            sql.text("idempotency_keep"), {"user_id": self.viewer.user_id, "key": self.key, "status": status, "answer": text}
        )
        self._kept = True
        return Response(text, status, media_type="application/json")

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """One at a time in this process: those who wait do it without a connection to the database."""
        if self._alone:
            yield
            return
        running = self.state.running
        lock = running.setdefault((self.viewer.user_id, self.key), asyncio.Lock())
        try:
            async with asyncio.timeout(WAIT_S):
                await lock.acquire()
        except TimeoutError:
            raise Problem(
                409, "The same request is under way", "Ask again in a few seconds, with the same key.", {"Retry-After": "3"}
            ) from None
        self._alone = True
        try:
            async with self.state.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
                await self._look(connection)
            yield
        finally:
            self._alone = False
            lock.release()

    async def _begin(self, connection: AsyncConnection[Any]) -> None:
        """The key is this transaction's, once the one that has it now has ended."""
        cursor = await connection.execute(
            sql.text("idempotency_begin"), {"user_id": self.viewer.user_id, "key": self.key, "request": self.request}
        )
        if not cursor.rowcount:
            await self._look(connection)
            raise Problem(409, "The same request is under way", "Ask again, with the same key.", {"Retry-After": "3"})

    async def _look(self, connection: AsyncConnection[Any]) -> None:
        found = await sql.rows_on(connection, "idempotency_key", Answer, user_id=self.viewer.user_id, key=self.key)
        if not found:
            return
        if found[0].request != self.request:
            raise Problem(
                422,
                "The key was used for another request",
                f"{HEADER} names one request for ever: send this one with a new key, or the first as it was.",
            )
        raise Replayed(found[0])


Key = Annotated[str | None, Header(alias=HEADER, description="1 to 255 printable characters, new for each thing you do: a UUID")]


async def _deed(request: Request, actor: Author, shared: Shared, key: Key = None) -> Deed:
    if key is None or not 1 <= len(key) <= LONGEST or not key.isprintable() or not key.isascii():
        raise Problem(
            400,
            f"{HEADER} is missing" if key is None else f"{HEADER} can't be used",
            f"Send the header {HEADER} with 1 to {LONGEST} printable ASCII characters, such as a new UUID for each thing you "
            "do, and the same one when you send the same request again: it is then done once.",
        )
    said = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query):
        said.update(part.encode(errors="surrogatepass") + b"\0")
    said.update(await request.body())
    return Deed(shared, actor, key, said.digest())


async def _deed_if_named(request: Request, actor: Author, shared: Shared, key: Key = None) -> Deed | None:
    return None if key is None else await _deed(request, actor, shared, key)


Once = Annotated[Deed, Depends(_deed)]
OnceIfNamed = Annotated[Deed | None, Depends(_deed_if_named)]  # where Traccar's clients ask, too, who know of no key


def install(app: FastAPI) -> None:
    app.add_exception_handler(Replayed, _replayed)


def _replayed(request: Request, error: Exception) -> Response:
    assert isinstance(error, Replayed)
    headers = {"Idempotent-Replayed": "true"}
    return Response(error.answer.answer, error.answer.status, headers, "application/json")
