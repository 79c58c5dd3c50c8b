"""Statements: whatever is asked for, opening balance + lines = closing balance, on the screen, as CSV and as XLSX."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import openpyxl
import pytest
import pytest_asyncio

from billing import statement
from billing.numbers import account_number
from billing.statement import KINDS
from billing.topup import reverse, top_up
from dashboards import statements
from dashboards.statement_words import WORDS
from tests.api.conftest import World
from tests.api.money import PRICE, Customer, customer, tariff

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMES = ("Truck 1", '=HYPERLINK("http://x")', "+1", "-1+2", "@SUM(A1)", "Қамаз, «7»")


@dataclass
class Told:
    """An account with forty days behind it."""

    customer: Customer
    first: date
    devices: dict[str, int]
    rows: list[tuple[Any, ...]]  # of the ledger, by plain SQL: day, entry, no, kind, device, amount

    @property
    def last(self) -> date:
        return self.first + timedelta(days=40)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(world: World) -> AsyncIterator[Told]:
    owner = await customer(world, paid=await tariff(world), balance=6 * PRICE)
    async with owner.signed_in() as client:
        devices = {name: (await owner.device(client, name))["id"] for name in NAMES}
    async with owner.book() as book:
        first = book.day
    await owner.pays(60_00, days=31)
    async with owner.book(days=34) as book:
        charge = await owner.one("SELECT max(id) FROM ledger_entries WHERE account_id = %s AND kind = 'daily'", owner.id)
        await reverse(book, charge, nos=[2, 3], memo="=cmd|' /C calc'!A0", key=f"test:{uuid4()}")
        await top_up(book, 12_34, way="bonus", kind="bonus", key=f"test:{uuid4()}", memo="Sorry\nfor that")
    async with owner.book(days=40):
        pass
    query = """
        SELECT l.day, l.entry_id, l.no, e.kind, t.device_id, l.amount
        FROM ledger_lines l JOIN ledger_entries e ON e.id = l.entry_id JOIN ledger_accounts a ON a.id = l.ledger_id
            LEFT JOIN billed_trackers t ON t.id = l.tracker_id
        WHERE a.account_id = %s AND a.kind = 'customer' ORDER BY l.entry_id, l.no"""
    async with world.server.database.pool.connection() as connection:
        rows = await (await connection.execute(query, [owner.id])).fetchall()
    yield Told(owner, first, devices, rows)


async def asked(client: httpx.AsyncClient, told: Told, **more: Any) -> dict[str, Any]:
    answer = await client.get("/api/billing/statement", params={"from": told.first, "to": told.last, "limit": 500, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def holds(found: dict[str, Any]) -> None:
    """The law."""
    assert found["opening"] + found["came"] + found["went"] == found["closing"]
    balance = found["opening"]
    for line in found["lines"]:
        balance += line["amount"]
        assert line["balance"] == balance
    assert len(found["lines"]) == found["total"]
    assert balance == found["closing"]


async def test_the_whole_of_it_is_the_ledgers(told: Told) -> None:
    async with told.customer.signed_in("looker") as client:
        found = await asked(client, told)
        holds(found)
        assert found["opening"] == 0
        assert found["closing"] == sum(row[5] for row in told.rows)
        shown = [
            (line["day"], line["entryId"], line["no"], line["kind"], line["deviceId"], line["amount"]) for line in found["lines"]
        ]
        assert shown == [(str(row[0]), *row[1:]) for row in told.rows]
        charge = next(line for line in found["lines"] if line["kind"] == "daily")
        assert charge["price"] == PRICE
        assert charge["tariff"].startswith("Paid ")
        assert charge["deviceName"] in NAMES
        back = [line for line in found["lines"] if line["kind"] == "reversal"]
        assert [(line["reversesNo"], line["memo"]) for line in back] == [(2, "=cmd|' /C calc'!A0"), (3, "=cmd|' /C calc'!A0")]
        assert len({line["reverses"] for line in back} & {row[1] for row in told.rows}) == 1


async def test_for_any_period(told: Told) -> None:
    async with told.customer.signed_in("looker") as client:
        for since, until in ((0, 0), (0, 30), (1, 30), (31, 31), (31, 40), (34, 34), (35, 35), (40, 40), (41, 99)):
            first, last = told.first + timedelta(days=since), told.first + timedelta(days=until)
            found = await asked(client, told, **{"from": first, "to": last})
            holds(found)
            assert found["opening"] == sum(row[5] for row in told.rows if row[0] < first)
            assert found["closing"] == sum(row[5] for row in told.rows if row[0] <= last)
        far = await asked(client, told, **{"from": "1970-01-01", "to": "2199-12-31"})
        assert far["total"] == len(told.rows)


async def test_per_tracker_and_in_total(told: Told) -> None:
    async with told.customer.signed_in("looker") as client:
        middle = told.first + timedelta(days=33)
        moved = 0
        for name, device in told.devices.items():
            found = await asked(client, told, deviceId=device, **{"from": middle})
            holds(found)
            assert found["opening"] == sum(row[5] for row in told.rows if row[4] == device and row[0] < middle)
            assert {line["deviceName"] for line in found["lines"]} <= {name}
            moved += found["came"] + found["went"]
        whole = await asked(client, told, **{"from": middle})
        assert moved == sum(line["amount"] for line in whole["lines"] if line["deviceId"])
        assert (await asked(client, told, deviceId=2**31 - 1))["lines"] == []


async def test_by_kind_and_entry(told: Told) -> None:
    async with told.customer.signed_in("looker") as client:
        for kinds in (["topup"], ["topup", "bonus"], ["daily"], ["sms"]):
            found = await asked(client, told, kind=kinds)
            holds(found)
            assert found["closing"] == sum(row[5] for row in told.rows if row[3] in kinds)
        entry = next(row[1] for row in told.rows if row[3] == "connection" or row[3] == "daily")
        found = await asked(client, told, entryId=entry)
        holds(found)
        assert {line["entryId"] for line in found["lines"]} == {entry}
        wrong = await client.get("/api/billing/statement", params={"kind": "theft"})
        assert wrong.status_code == 400
        assert "topup" in wrong.json()["detail"]


async def test_a_days_charges_as_one_line(told: Told) -> None:
    async with told.customer.signed_in("looker") as client:
        found = await asked(client, told, group="day")
        holds(found)
        assert found["total"] == len({row[1] for row in told.rows})
        for line in found["lines"]:
            of = [row for row in told.rows if row[1] == line["entryId"]]
            assert (line["lines"], line["amount"]) == (len(of), sum(row[5] for row in of))
            assert line["deviceId"] == (of[0][4] if len(of) == 1 else None)


@pytest.mark.parametrize("group", [None, "day"])
async def test_page_by_page(told: Told, group: str | None) -> None:
    more = {"group": group} if group else {}
    async with told.customer.signed_in("looker") as client:
        whole = await asked(client, told, **more)
        for limit in (1, 7, 50):
            lines, offset = [], 0
            while page := (await asked(client, told, limit=limit, offset=offset, **more))["lines"]:
                lines += page
                offset += limit
                if limit == 1 and offset > 10:
                    break
            assert lines == whole["lines"][: len(lines)]
            assert limit == 1 or len(lines) == whole["total"]
        back = [
            line
            for offset in range(0, whole["total"], 9)
            for line in (await asked(client, told, order="newest", limit=9, offset=offset, **more))["lines"]
        ]
        assert back == whole["lines"][::-1]
        assert (await asked(client, told, offset=10**6, order="newest", **more))["lines"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 501}, {"limit": 0}, {"offset": -1}, {"from": "yesterday"}, {"from": "2026-02-30"}, {"from": "1"},
        {"from": "2026-02-02", "to": "2026-02-01"}, {"deviceId": 0}, {"entryId": "x"}, {"group": "week"}, {"order": "random"},
        {"from": "2200-01-01"}, {"kind": ["topup"] * 50},
    ],
)  # fmt: skip
async def test_what_cant_be_asked(told: Told, wrong: dict[str, Any]) -> None:
    async with told.customer.signed_in("looker") as client:
        answer = await client.get("/api/billing/statement", params=wrong)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"


async def test_without_a_period_it_is_this_month_so_far(told: Told) -> None:
    async with told.customer.signed_in("looker") as client:
        found = (await client.get("/api/billing/statement")).json()
        assert (found["since"], found["until"]) == (str(told.last.replace(day=1)), str(told.last))


@pytest.mark.parametrize("language", ["en", "ru", "kk"])
async def test_csv_is_read_again_to_the_same_sums(told: Told, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "PART", 7)
    monkeypatch.setattr(statements, "AT_ONCE", 2)
    async with told.customer.signed_in("looker") as client:
        client.cookies.set("language", language)
        middle = told.first + timedelta(days=20)
        answer = await client.get("/api/billing/statement.csv", params={"from": middle, "to": told.last})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert f"statement-{account_number(told.customer.id)}-{middle}-{told.last}.csv" in answer.headers["content-disposition"]
        assert answer.content.startswith(b"\xef\xbb\xbf")
        head, opening, *lines, closing = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
        found = await asked(client, told, **{"from": middle})
    words = WORDS[language]
    assert head == [f"{word}, EUR" if at in (7, 8, 9) else word for at, word in enumerate(words.headings)]
    assert (opening[3], closing[3]) == (words.opening, words.closing)
    rows = [row for row in told.rows if row[0] >= middle]
    assert len(lines) == len(rows)
    balance = Decimal(opening[9])
    assert balance == Decimal(sum(row[5] for row in told.rows if row[0] < middle)) / 100
    for line, row in zip(lines, rows, strict=True):
        balance += Decimal(line[8])
        assert (line[0], line[2], Decimal(line[8]), Decimal(line[9])) == (
            str(row[0]),
            str(row[1]),
            Decimal(row[5]) / 100,
            balance,
        )
        assert line[3] == words.kinds[row[3]]
        assert not line[4].startswith(("=", "+", "-", "@"))
        assert not line[10].startswith("=")
    assert Decimal(closing[9]) == balance
    assert '\'=HYPERLINK("http://x")' in {line[4] for line in lines}
    assert [(*line[4:8], *line[10:]) for line in lines] == [
        (
            *(statements.harmless(shown[name] or "") for name in ("deviceName", "uniqueId", "tariff")),
            "" if shown["price"] is None else f"{Decimal(shown['price']) / 100:.2f}",
            statements.harmless(shown["memo"] or ""),
            str(shown["reverses"] or ""),
        )
        for shown in found["lines"]
    ]


@pytest.mark.parametrize("language", ["en", "kk"])
async def test_xlsx_is_read_again_to_the_same_sums(told: Told, language: str) -> None:
    async with told.customer.signed_in("looker") as client:
        client.cookies.set("language", language)
        answer = await client.get("/api/billing/statement.xlsx", params={"from": told.first, "to": told.last})
        assert answer.status_code == 200
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    assert sheet.title == WORDS[language].sheet
    head, opening, *lines, closing = sheet.iter_rows()
    assert [cell.value for cell in head][8] == f"{WORDS[language].headings[8]}, EUR"
    assert (opening[9].value, closing[9].value) == (0, sum(row[5] for row in told.rows) / 100)
    assert len(lines) == len(told.rows)
    for line, row in zip(lines, told.rows, strict=True):
        assert line[0].value.date() == row[0]  # type: ignore[union-attr]
        assert line[8].value == pytest.approx(row[5] / 100, abs=1e-9)
        assert {cell.data_type for cell in line} <= {"s", "n", "d"}, "a formula"
    assert {line[4].value for line in lines} >= {*NAMES}
    assert "=cmd|' /C calc'!A0" in {line[10].value for line in lines}


async def test_a_sheet_has_an_end(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "MOST_ROWS", 10)
    async with told.customer.signed_in("looker") as client:
        period = {"from": told.first, "to": told.last}
        answer = await client.get("/api/billing/statement.xlsx", params=period)
        assert answer.status_code == 413
        assert "CSV" in answer.json()["detail"]
        assert (await client.get("/api/billing/statement.csv", params=period)).status_code == 200


async def test_one_sheet_at_a_time_for_each(told: Told) -> None:
    async with told.customer.signed_in("looker") as client:
        period = {"from": told.first, "to": told.last}
        answers = await asyncio.gather(*(client.get("/api/billing/statement.xlsx", params=period) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {200, 429}
        assert (await client.get("/api/billing/statement.xlsx", params=period)).status_code == 200


async def test_a_file_is_of_one_state_whatever_is_written_meanwhile(world: World) -> None:
    owner = await customer(world, balance=100)
    async with owner.book() as book:
        day = book.day
    for _ in range(4):
        await owner.pays(100)
    database = world.server.database
    head = await statement.head(database, statement.Selection(owner.id, day, day))
    amounts, closing = [], 0
    async for part in statement.parts(database, head, size=2):
        amounts += [line.amount for line in part]
        closing = part[-1].balance
        await owner.pays(10_000)
    assert amounts == [100] * 5
    assert closing == head.closing == 500


async def test_words_are_in_every_language() -> None:
    for words in WORDS.values():
        assert set(words.kinds) == set(KINDS)
        assert len(set(words.headings)) == 12
        assert all([*words.headings, *words.kinds.values(), words.sheet, words.opening, words.closing])
