"""Statements as files: CSV, written while it is read, and XLSX. Both are made part by part, whatever the number of lines.

Names and notes are other people's words, and a spreadsheet takes what begins with = + - or @ for a formula: in CSV an apostrophe
goes before them, in XLSX a text is a text. Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

import asyncio
import csv as csv_module
import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import IO, Any

import xlsxwriter

from billing.money import digits
from billing.numbers import account_number
from billing.rules import zone_of
from billing.statement import Head, StatementLine
from dashboards.live import batched
from dashboards.statement_words import WORDS, Words

MOST_ROWS = 1_000_000  # of a sheet: Excel reads 1,048,576
AT_ONCE = 250  # lines written before others get a turn: less than 1 ms
CHUNK_BYTES = 256 * 1024
KNOWN = 10_000  # charges whose texts are remembered while a file is written: 5 MB at most
ROW_ENDS = "\r\n"  # RFC 4180, and Python's csv
EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 # of sheets, whose times have no zone
BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
WIDTHS = (11, 17, 11, 22, 28, 20, 18, 14, 14, 14, 32, 12)
_one_at_a_time = ThreadPoolExecutor(1, "statements")  # a sheet takes seconds of the interpreter: two would not be made sooner

Parts = AsyncIterator[list[StatementLine]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file is to say beside its lines."""

    head: Head
    currency: str
    time_zone: str
    language: str

    @property
    def words(self) -> Words:
        return WORDS.get(self.language, WORDS["en"])

    @property
    def headings(self) -> list[str]:
        named = list(self.words.headings)
        for at in (7, 8, 9):
            named[at] += f", {self.currency}"
        return named

    def name(self, ending: str) -> str:
        of = self.head.selection
        return f"statement-{account_number(of.account_id)}-{of.since}-{of.until}.{ending}"


async def csv(sheet: Sheet, parts: Parts) -> AsyncIterator[bytes]:
    """UTF-8 with the mark by which Excel knows it; amounts with a point."""
    of, row = sheet.head.selection, _Rows(sheet)
    opening = [of.since.isoformat(), "", "", sheet.words.opening, *[""] * 5, row.amount(sheet.head.opening), "", ""]
    yield f"\ufeff{_text(sheet.headings)}{ROW_ENDS}{_text(opening)}{ROW_ENDS}".encode()
    balance = sheet.head.opening
    async for part in parts:
        for some in batched(part, AT_ONCE):
            yield "".join([row.line(line) for line in some]).encode()
            await asyncio.sleep(0)
        balance = part[-1].balance
    closing = [of.until.isoformat(), "", "", sheet.words.closing, *[""] * 5, row.amount(balance), "", ""]
    yield f"{_text(closing)}{ROW_ENDS}".encode()


class _Rows:
    """Lines as CSV. Hundreds in a row are of one entry, whose time and note are written once; and a tracker is charged the same
    on many days."""

    def __init__(self, sheet: Sheet) -> None:
        self.zone, self.kinds, self.decimals = zone_of(sheet.time_zone), sheet.words.kinds, digits(sheet.currency)
        self.entry_id, self.begin, self.end = 0, "", ""
        self.charge = lru_cache(KNOWN)(self._charge)

    def line(self, line: StatementLine) -> str:
        if line.entry_id != self.entry_id:
            self._entry(line)
        charge = self.charge(line.name, line.unique_id, line.tariff, line.price, line.amount)
        return f"{self.begin},{charge},{self.amount(line.balance)},{self.end}"

    def _entry(self, line: StatementLine) -> None:
        at = f"{line.at.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"
        self.entry_id, kind = line.entry_id, self.kinds.get(line.kind, line.kind)
        self.begin = _text([line.day.isoformat(), at, str(line.entry_id), kind])
        self.end = _text([harmless(line.memo or ""), "" if line.reverses is None else str(line.reverses)]) + ROW_ENDS

    def _charge(self, name: str | None, unique_id: str | None, tariff: str | None, price: int | None, amount: int) -> str:
        month = "" if price is None else self.amount(price)
        return _text([harmless(name or ""), harmless(unique_id or ""), harmless(tariff or ""), month, self.amount(amount)])

    def amount(self, amount: int) -> str:
        """As `billing.money.plain` has it, a hundred thousand times."""
        whole, part = divmod(abs(amount), 10**self.decimals)
        sign = "-" if amount < 0 else ""
        return f"{sign}{whole}.{part:0{self.decimals}}" if self.decimals else f"{sign}{whole}"


def harmless(text: str) -> str:
    return f"'{text}" if text.startswith(BEGINS_A_FORMULA) else text


def _text(fields: Sequence[str]) -> str:
    """Some of a row's, quoted where they must be."""
    text = io.StringIO()
    csv_module.writer(text).writerow(fields)
    return text.getvalue().removesuffix(ROW_ENDS)  # told to end with nothing, Python 3.11 leaves texts of two lines unquoted


async def xlsx(sheet: Sheet, parts: Parts) -> AsyncIterator[bytes]:
    """Written to the disk and then sent: the format can't be read before its end is known. At most MOST_ROWS lines."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="statement-") as folder, tempfile.TemporaryFile(dir=folder) as file:
        writer = await loop.run_in_executor(_one_at_a_time, _Writer, sheet, file, folder)
        try:
            async for part in parts:
                for some in batched(part, 10 * AT_ONCE):
                    await loop.run_in_executor(_one_at_a_time, writer.write, some)
            await loop.run_in_executor(_one_at_a_time, writer.close)
        finally:
            writer.book.fileclosed = True  # or it complains when it is thrown away half-made
        file.seek(0)
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


class _Writer:
    def __init__(self, sheet: Sheet, file: IO[bytes], folder: str) -> None:
        self.sheet, self.zone = sheet, zone_of(sheet.time_zone)
        self.balance, self.at = sheet.head.opening, 1
        self.book: Any = xlsxwriter.Workbook(file, {"constant_memory": True, "tmpdir": folder})
        decimals = digits(sheet.currency)
        self.unit, self.entry_id, self.day_number, self.time_number = 10**decimals, 0, 0.0, 0.0
        self.money = self.book.add_format({"num_format": "#,##0" + ("." + "0" * decimals if decimals else "")})
        self.day = self.book.add_format({"num_format": "yyyy-mm-dd"})
        self.time = self.book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        bold = self.book.add_format({"bold": True})
        self.page: Any = self.book.add_worksheet(sheet.words.sheet)
        self.page.freeze_panes(1, 0)
        for column, width in enumerate(WIDTHS):
            self.page.set_column(column, column, width)
        for column, heading in enumerate(sheet.headings):
            self.page.write_string(0, column, heading, bold)
        self._edge(sheet.head.selection.since, sheet.words.opening)

    def write(self, lines: Sequence[StatementLine]) -> None:
        """Days and times as the numbers that a sheet has for them, and each made once for the lines of an entry."""
        text, number, kinds, unit = self.page.write_string, self.page.write_number, self.sheet.words.kinds, self.unit
        for line in lines:
            at = self.at
            if line.entry_id != self.entry_id:
                self.entry_id, self.day_number = line.entry_id, float((line.day - EPOCH.date()).days)
                local = line.at.astimezone(self.zone).replace(tzinfo=None, microsecond=0)
                self.time_number = (local - EPOCH).total_seconds() / 86400
            number(at, 0, self.day_number, self.day)
            number(at, 1, self.time_number, self.time)
            number(at, 2, line.entry_id)
            text(at, 3, kinds.get(line.kind, line.kind))
            if line.name:
                text(at, 4, line.name)
            if line.unique_id:
                text(at, 5, line.unique_id)
            if line.tariff:
                text(at, 6, line.tariff)
            if line.price is not None:
                number(at, 7, line.price / unit, self.money)
            number(at, 8, line.amount / unit, self.money)
            number(at, 9, line.balance / unit, self.money)
            if line.memo:
                text(at, 10, line.memo)
            if line.reverses is not None:
                number(at, 11, line.reverses)
            self.at, self.balance = at + 1, line.balance

    def close(self) -> None:
        self._edge(self.sheet.head.selection.until, self.sheet.words.closing)
        self.book.close()

    def _edge(self, day: Any, text: str) -> None:
        self.page.write_datetime(self.at, 0, day, self.day)
        self.page.write_string(self.at, 3, text)
        self.page.write_number(self.at, 9, self.balance / self.unit, self.money)
        self.at += 1
