"""An account's statement: page by page, and whole as CSV and XLSX."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

import billing.sql
from billing import statement
from billing.errors import Refused
from billing.forecast import AccountRow
from billing.rules import local_day
from billing.statement import KINDS, Selection
from dashboards import auth, sql, statements
from dashboards.api import answers
from dashboards.api.parameters import LARGEST_ID, LARGEST_POSITION_ID, Day, Id
from dashboards.billing_shapes import StatementOut, from_statement
from dashboards.notices import language_of
from dashboards.problems import Problem
from dashboards.state import Shared
from dashboards.statements import Sheet

router = APIRouter(prefix="/api/billing", tags=["Billing"])
MOST_LINES = 500  # of a page
MAKING = "\0xlsx"  # among the requests under way, where no Idempotency-Key is like it
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which lines, and how their amounts and times are to be written."""

    selection: Selection
    currency: str
    time_zone: str


async def _asked(
    account_id: auth.Account,
    shared: Shared,
    since: Annotated[
        Day | None, Query(alias="from", description="the first day, of the account's; this month's, if not given")
    ] = None,
    until: Annotated[Day | None, Query(alias="to", description="the last day, which is in it; today, if not given")] = None,
    device_id: Annotated[Id | None, Query(alias="deviceId", description="one tracker's lines alone, balances of them")] = None,
    kinds: Annotated[Sequence[str], Query(alias="kind", max_length=len(KINDS), description=", ".join(KINDS))] = (),
    entry_id: Annotated[int | None, Query(alias="entryId", ge=1, le=LARGEST_POSITION_ID, description="one entry's lines")] = None,
) -> Asked:
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        account = await billing.sql.row(connection, "account", AccountRow, account_id=account_id)
    if account is None:
        raise Refused("no_account", "There is no such account.")
    if unknown := set(kinds) - set(KINDS):
        raise Problem(400, f"There is no kind {min(unknown)[:40]!r}", f"Known are {', '.join(KINDS)}.")
    today = local_day(datetime.now(UTC), account.time_zone)
    today = max(today, account.charged_through or today)
    last = until or today
    first = since or min(last, today).replace(day=1)
    if first > last:
        raise Problem(400, "The period is empty", "`from` is its first day and `to` its last.")
    return Asked(Selection(account_id, first, last, device_id, tuple(kinds), entry_id), account.currency, account.time_zone)


Wanted = Annotated[Asked, Depends(_asked)]


@router.get("/statement", responses=answers.shaped(StatementOut))
async def as_json(
    asked: Wanted,
    shared: Shared,
    group: Annotated[
        Literal["day"] | None, Query(description="day: what is charged at once for many trackers is one line")
    ] = None,
    order: Annotated[Literal["oldest", "newest"], Query(description="which lines come first")] = "oldest",
    limit: Annotated[int, Query(ge=1, le=MOST_LINES)] = 100,
    offset: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
) -> Response:
    """Opening balance + lines = closing balance. Each line tells the balance after it."""
    head = await statement.head(shared.server.database, asked.selection.grouped_by(group))
    lines = await statement.page(shared.server.database, head, limit=limit, offset=offset, newest_first=order == "newest")
    return answers.json(from_statement(head, asked.currency, lines))


@router.get("/statement.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def as_csv(asked: Wanted, viewer: auth.User, shared: Shared, request: Request) -> Response:
    """All lines, in the viewer's language."""
    sheet = await _sheet(asked, viewer, shared, request)
    chunks = statements.csv(sheet, statement.parts(shared.server.database, sheet.head))
    return await _file(chunks, sheet.name("csv"), "text/csv; charset=utf-8")


@router.get("/statement.xlsx", response_class=Response, responses={200: {"content": {XLSX: {}}}})
async def as_xlsx(asked: Wanted, viewer: auth.User, shared: Shared, request: Request) -> Response:
    """All lines, in the viewer's language."""
    sheet = await _sheet(asked, viewer, shared, request)
    if sheet.head.totals.lines > statements.MOST_ROWS:
        raise Problem(
            413,
            "Too many lines for a sheet",
            f"There are {sheet.head.totals.lines:,}, a sheet has room for {statements.MOST_ROWS:,}: ask for less, or for CSV.",
        )
    making = shared.running.setdefault((viewer.user_id, MAKING), asyncio.Lock())
    if making.locked():
        raise Problem(429, "A sheet is being made for you already", "Wait for it, or ask for CSV.", {"Retry-After": "10"})
    async with making:  # which takes seconds; all of it is there with the first chunk
        chunks = statements.xlsx(sheet, statement.parts(shared.server.database, sheet.head))
        return await _file(chunks, sheet.name("xlsx"), XLSX)


async def _sheet(asked: Asked, viewer: auth.Viewer, shared: Shared, request: Request) -> Sheet:
    head = await statement.head(shared.server.database, asked.selection)
    return Sheet(head, asked.currency, asked.time_zone, language_of(request, viewer))


async def _file(chunks: AsyncIterator[bytes], name: str, media_type: str) -> Response:
    """The first chunk is made before the answer begins, so that what fails at the start still gets its status."""
    first = await anext(chunks)

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return StreamingResponse(whole(), headers={"Content-Disposition": f'attachment; filename="{name}"'}, media_type=media_type)
