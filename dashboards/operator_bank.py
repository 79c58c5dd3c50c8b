"""The preview of a bank's statement: whose each line is, and why not. Nothing is kept of it."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import UploadFile

from billing.errors import Refused
from billing.numbers import account_of
from billing.payments import bank
from billing.payments.statement_file import LARGEST_BYTES, MOST_LINES
from dashboards import auth, sql
from dashboards.api.parameters import LARGEST_ID
from dashboards.operator_words import speech
from dashboards.pages import Pages
from dashboards.problems import Problem

SHOWN = 500  # lines; what can't be credited comes first
ORDER = {"unmatched": 0, "other_currency": 1, "matched": 2, "known": 3}


class BankPreview:
    """One route."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        self.router.add_api_route("/operator/bank/preview", self.preview, methods=["POST"])

    async def preview(self, request: Request, viewer: auth.Administrator) -> Response:
        async with request.form(max_files=1, max_fields=10, max_part_size=LARGEST_BYTES) as form:
            file, currency = form.get("file"), str(form.get("currency", "")).strip().upper()
            if not isinstance(file, UploadFile):
                raise Problem(400, "No file came", "Send the bank's statement as the field `file`.")
            content = await file.read(LARGEST_BYTES + 1)
        given = _given(str(form.get("assigned", "")))
        assigned = {fingerprint: account_id for fingerprint, text in given.items() if (account_id := _account(text))}
        context: dict[str, Any] = {"refused": None, "file": (file.filename or "")[:200], "given": given}
        try:
            async with self.pages.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
                found = await bank.preview(connection, content, currency, assigned=assigned)
        except Refused as error:
            context["refused"] = error
        else:
            context |= _told(found, given, assigned)
        words = speech(self.pages.server.settings)
        return self.pages.page(request, viewer, "parts/operator_bank_preview.html", key=uuid4(), **words, **context)


def _told(found: bank.Preview, given: dict[str, str], assigned: dict[str, int]) -> dict[str, Any]:
    counts: Counter[str] = Counter(seen.what for seen in found.lines)
    sums: Counter[str] = Counter()
    for seen in found.lines:
        if seen.what == "matched":
            sums[seen.line.currency] += seen.line.amount
    known = {seen.line.fingerprint for seen in found.lines if seen.account is not None}
    in_order = sorted(found.lines, key=lambda seen: (ORDER[seen.what] if seen.line.fingerprint not in given else 0, seen.line.no))
    return {
        "counts": {what: counts[what] for what in ORDER},
        "sums": dict(sums),
        "lines": in_order[:SHOWN],
        "more": max(0, len(in_order) - SHOWN),
        "problems": found.statement.problems,
        "left_out": found.statement.left_out,
        "wrong": {fingerprint for fingerprint in given if fingerprint not in known},
        "assigned": {fingerprint: account_id for fingerprint, account_id in assigned.items() if fingerprint in known},
    }


def _given(text: str) -> dict[str, str]:
    """Account numbers by fingerprint, as they were typed."""
    try:
        found = msgspec.json.decode(text or "{}", type=dict[str, str])
    except msgspec.MsgspecError:
        raise Problem(400, "`assigned` can't be read", "Send a JSON object of account numbers by fingerprint.") from None
    if len(found) > MOST_LINES:
        raise Problem(400, "`assigned` is too long", f"A statement has at most {MOST_LINES} lines.")
    return {fingerprint: number.strip()[:20] for fingerprint, number in found.items() if number.strip()}


def _account(text: str) -> int | None:
    """By the number that customers write, or by the id."""
    bare = text.replace(" ", "")
    if not (bare.isascii() and bare.isdecimal()):
        return None
    return account_of(bare) or (int(bare) if 0 < int(bare) <= LARGEST_ID else None)
