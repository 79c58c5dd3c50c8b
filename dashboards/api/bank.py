"""Bank statements: an operator hands in the bank's file, sees what each line is, has it credited, and assigns what is left."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

import billing.sql
from billing.payments import bank
from billing.payments.statement_file import LARGEST_BYTES, MOST_LINES
from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.parameters import Body, EventId, Id, Paged
from dashboards.idempotency import Once
from dashboards.payment_shapes import BankLineOut, BankPreviewOut, ImportOut, from_import, from_line, from_preview
from dashboards.problems import Problem
from dashboards.state import Shared

router = APIRouter(prefix="/api/billing/operator/bank", tags=["Operator"])
AT_ONCE = 500  # lines in one answer
Fingerprint = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class StatementFile(Body):
    """A bank's statement: CSV, or 1C's exchange file (1CClientBankExchange)."""

    file: Annotated[str, Field(min_length=1, max_length=LARGEST_BYTES * 4 // 3 + 8, description="its bytes in base64")]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="of lines that name none")]
    accounts: Annotated[
        dict[Fingerprint, Id], Field(max_length=MOST_LINES, description="accounts chosen by hand, by the lines' fingerprints")
    ] = {}  # noqa: RUF012 # pydantic copies it

    @property
    def content(self) -> bytes:
        try:
            return base64.b64decode(self.file, validate=True)
        except (binascii.Error, ValueError):
            raise Problem(400, "The file can't be read", "Send its bytes in base64 as `file`.") from None


class Whose(Body):
    account_id: Id


@router.post("/preview", responses=answers.shaped(BankPreviewOut))
async def preview(statement: StatementFile, _: auth.Administrator, shared: Shared, once: Once) -> Response:
    """What each line is, and whose; nothing is done."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        shown = await bank.preview(connection, statement.content, statement.currency, assigned=statement.accounts)
    return answers.json(from_preview(shown))


@router.post("/import", responses=answers.shaped(ImportOut))
async def take(statement: StatementFile, _: auth.Administrator, shared: Shared, once: Once) -> Response:
    """Credit what is matched, and keep the rest to be assigned. Each line is taken once, in whichever files it comes."""
    async with once.alone():
        done = await bank.take(
            shared.server.database,
            statement.content,
            statement.currency,
            assigned=statement.accounts,
            user_id=once.viewer.user_id,
        )
        async with once.transaction() as connection:
            details = {"credited": done.credited, "amounts": done.amount, "kept": done.kept, "known": done.known}
            await once.actor.note(connection, "bank.imported", account_id=None, details=details)
            return await once.keep(connection, from_import(done))


@router.get("/lines", responses=answers.shaped(list[BankLineOut]))
async def lines(
    _: auth.Administrator,
    shared: Shared,
    page: Paged,
    request: Request,
    open: Annotated[bool, Query(description="only those that are nobody's yet")] = False,
) -> Response:
    """Lines that were taken, the newest first."""
    page = replace(page, limit=min(page.limit, AT_ONCE))
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        total = await billing.sql.value(connection, "bank_lines_count", open=open)
        found = await bank.lines(connection, open=open, limit=page.limit, offset=page.offset)
    return await answers.listed(found, from_line, page.headers(total, request))


@router.post("/lines/{line_id}/assign", responses=answers.shaped(BankLineOut))
async def assign(line_id: EventId, whose: Whose, _: auth.Administrator, once: Once) -> Response:
    """A line that was nobody's is this account's, and is credited."""
    async with once.book(whose.account_id) as book:
        line = await bank.assign(book, line_id)
        details = {"amount": line.amount, "currency": line.currency, "payer": line.payer}
        await once.actor.note(
            book.connection, "bank.assigned", account_id=book.account_id, subject=f"bank line {line_id}", details=details
        )
        return await once.keep(book.connection, from_line(line))
