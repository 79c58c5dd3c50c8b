"""Statements of banks, as they come: whatever the encoding, the separator and the words; each line is taken once."""

from __future__ import annotations

import asyncio
from datetime import date
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.check import problems
from billing.errors import Refused
from billing.numbers import account_number, account_of, accounts_in
from billing.payments import bank
from billing.payments.statement_file import LARGEST_BYTES, Statement, amount_of, day_of, read
from telematics.store.database import Database
from tests.billing.world import World

TODAY = date(2026, 2, 1)

KASPI = """Выписка по счету KZ000000000000000000
Период: 01.01.2026 - 31.01.2026

№ документа;Дата операции;Дебет;Кредит;Наименование плательщика;БИН;Назначение платежа
101;15.01.2026 10:22:31;;300 000,50;ТОО «Анна»;123456789012;Оплата по счету 00000195 за январь
102;16.01.2026;15 000,00;;Поставщик;123456789012;Аренда
103;17.01.2026;;1 000,00;ИП Борис;123456789012;без номера
Итого;;15 000,00;301 000,50;;;
"""
SEPA = """"Booking date","Value date","Amount","Currency","Debtor name","Remittance information","End to end id"
"2026-01-15","2026-01-16","1,234.56","EUR","Anna Ltd","Top-up 0000 0195","E2E-1"
"2026-01-15","2026-01-16","-99.00","EUR","Anna Ltd","rent","E2E-2"
"2026-01-16","2026-01-16","50.00","USD","Anna Ltd","00000195","E2E-3"
"""
GERMAN = "Buchungstag|Betrag|Währung|Auftraggeber|Verwendungszweck\n31.01.26|1.234,56|EUR|Anna GmbH|Konto 00000195\n"
ONE_C = """1CClientBankExchange
ВерсияФормата=1.03
Кодировка=Windows
СекцияРасчСчет
РасчСчет=40702810000000000001
КонецРасчСчет
СекцияДокумент=Платежное поручение
Номер=15
Дата=15.01.2026
Сумма=300.50
ПлательщикСчет=40702810000000000009
Плательщик1=ООО "Анна"
ПолучательСчет=40702810000000000001
ДатаПоступило=16.01.2026
НазначениеПлатежа=Оплата, счёт 00000195
КонецДокумента
СекцияДокумент=Платежное поручение
Номер=16
Дата=15.01.2026
Сумма=7.00
ПлательщикСчет=40702810000000000001
ПолучательСчет=40702810000000000009
ДатаСписано=15.01.2026
КонецДокумента
КонецФайла
"""


def said(statement: Statement) -> list[tuple[str, int, str, str, str]]:
    return [(str(line.day), line.amount, line.currency, line.payer, line.details) for line in statement.lines]


@pytest.mark.parametrize(
    ("text", "encoding", "lines", "left_out"),
    [
        pytest.param(
            KASPI,
            "cp1251",
            [
                ("2026-01-15", 300_000_50, "KZT", "ТОО «Анна»", "Оплата по счету 00000195 за январь"),
                ("2026-01-17", 1_000_00, "KZT", "ИП Борис", "без номера"),
            ],
            1,
            id="a bank of Kazakhstan, Windows-1251",
        ),
        pytest.param(KASPI.replace(";", "\t"), "utf-16", None, 1, id="the same with tabs, UTF-16"),
        pytest.param(KASPI.replace("\n", "\r\n"), "utf-8-sig", None, 1, id="the same with a mark, UTF-8"),
        pytest.param(
            SEPA,
            "utf-8",
            [
                ("2026-01-15", 1_234_56, "EUR", "Anna Ltd", "Top-up 0000 0195"),
                ("2026-01-16", 50_00, "USD", "Anna Ltd", "00000195"),
            ],
            1,
            id="SEPA, commas in amounts",
        ),
        pytest.param(GERMAN, "utf-8", [("2026-01-31", 1_234_56, "EUR", "Anna GmbH", "Konto 00000195")], 0, id="German"),
        pytest.param(
            ONE_C, "cp1251", [("2026-01-16", 300_50, "KZT", 'ООО "Анна"', "Оплата, счёт 00000195")], 1, id="1C's exchange file"
        ),
    ],
)
def test_a_statement_is_read_whole(
    text: str, encoding: str, lines: list[tuple[str, int, str, str, str]] | None, left_out: int
) -> None:
    statement = read(text.encode(encoding), "KZT", today=TODAY)
    assert said(statement) == (lines or said(read(KASPI.encode("cp1251"), "KZT", today=TODAY)))
    assert (statement.left_out, statement.problems) == (left_out, [])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("32.01.2026;5;x", "the day '32.01.2026' can't be read: write it as 31.01.2026 or 2026-01-31"),
        ("01/2026;5;x", "the day '01/2026' can't be read: write it as 31.01.2026 or 2026-01-31"),
        ("31.01.2030;5;x", "the day 2030-01-31 is still to come"),
        ("on Friday;5;x", "the day 'on Friday' can't be read: write it as 31.01.2026 or 2026-01-31"),
        (";5;x", "the day '' can't be read: write it as 31.01.2026 or 2026-01-31"),
        ("31.01.2026;5,505;x", "the amount '5,505' has more decimals than EUR"),
        ("31.01.2026;1,2,3;x", "the amount '1,2,3' can't be read: write it as 1234.50 or 1234,50"),
        ("31.01.2026;1e5;x", "the amount '1e5' can't be read: write it as 1234.50 or 1234,50"),
        ("31.01.2026;" + "9" * 40 + ";x", f"the amount {'9' * 40!r} is too large"),
    ],
)
def test_a_line_that_can_t_be_read_holds_up_no_other(row: str, problem: str) -> None:
    text = f"Дата;Сумма;Назначение\n{row}\n31.01.2026;7;y\n"
    if row.startswith("31.01.2026;5,505"):
        text = text.replace("5,505", "0,505")
        problem = problem.replace("5,505", "0,505")
    statement = read(text.encode(), "EUR", today=TODAY)
    assert (said(statement), statement.problems) == ([("2026-01-31", 7_00, "EUR", "", "y")], [(2, problem)])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_a_statement"),
        (b"\x00\x01\x02", "not_a_statement"),
        (b"a;b;c\n1;2;3\n", "not_a_statement"),
        ("Дата;Сумма\n".encode(), "not_a_statement"),
        (b"x" * (LARGEST_BYTES + 1), "too_large"),
        (b"\xff\xfe\x00", "not_a_statement"),
        (b"\x98" * 100, "not_a_statement"),
        (b'Date;Amount\n2026-01-01;"' + b"9" * 200_000, "not_a_statement"),
        (b"x" * 200_000 + b"\nDate;Amount\n", "not_a_statement"),
        pytest.param(b"a;" * 340_000, "not_a_statement", id="a line of columns"),
        pytest.param((b"a;" * 2_400 + b"\n") * 60, "not_a_statement", id="sixty of them"),
    ],
)
def test_what_is_no_statement(content: bytes, code: str) -> None:
    started = monotonic()
    with pytest.raises(Refused) as refused:
        read(content, "EUR", today=TODAY)
    assert refused.value.code == code
    assert monotonic() - started < 2


@given(st.binary(max_size=400))
def test_any_bytes_give_a_statement_or_a_refusal(content: bytes) -> None:
    for head in (b"", "Дата;Сумма;Назначение\n".encode("cp1251"), "1CClientBankExchange\nСекцияДокумент=x\nСумма=".encode()):
        try:
            read(head + content, "EUR", today=TODAY)
        except Refused:
            continue


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("1 234,56", "EUR", 1_234_56), ("1\u00a0234,56", "EUR", 1_234_56), ("1,234.56", "EUR", 1_234_56),
        ("1.234,56", "EUR", 1_234_56), ("1'234.56", "EUR", 1_234_56), ("1234,5", "EUR", 1_234_50), ("1,234", "EUR", 1_234_00),
        ("1.234.567", "EUR", 1_234_567_00), ("+5", "EUR", 5_00), ("5.00 EUR", "EUR", 5_00), ("5,00 €", "EUR", 5_00),
        ("-5,00", "EUR", -5_00), ("−5,00", "EUR", -5_00), ("0,50", "EUR", 50), ("0,500", "EUR", 50), ("500.00", "JPY", 500),
        ("1.234", "JPY", 1_234), ("1.2345,678", "KWD", None), ("1,234", "KWD", None), ("12,345", "KWD", None),
        ("1234,567", "KWD", 1_234_567), ("1.5", "JPY", None), ("", "EUR", None), ("abc", "EUR", None), ("1.1.1", "EUR", None),
        ("١٢٣", "EUR", None),
    ],
)  # fmt: skip
def test_amounts_as_banks_write_them(text: str, currency: str, amount: int | None) -> None:
    if amount is None:
        with pytest.raises(ValueError, match="amount"):
            amount_of(text, currency)
    else:
        assert amount_of(text, currency) == amount


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-01-31", "2026-01-31"), ("31.01.2026", "2026-01-31"), ("31.01.26", "2026-01-31"), ("31/01/2026", "2026-01-31"),
        ("1.2.2026", "2026-02-01"), ("20260131", "2026-01-31"), ("31.01.2026 23:59:59", "2026-01-31"),
        ("2026-01-31T10:00:00+05:00", "2026-01-31"),
    ],
)  # fmt: skip
def test_days_as_banks_write_them(text: str, day: str) -> None:
    assert str(day_of(text)) == day


# --- account numbers


@given(st.integers(1, 2**31 - 1))
def test_an_account_s_number_leads_back_to_it(account_id: int) -> None:
    assert account_of(account_number(account_id)) == account_id


@given(st.integers(1, 2**31 - 1), st.data())
def test_a_wrong_digit_and_two_swapped_are_noticed(account_id: int, data: st.DataObject) -> None:
    number = account_number(account_id)
    at = data.draw(st.integers(0, len(number) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[at]]))
    assert account_of(number[:at] + other + number[at + 1 :]) is None
    if at + 1 < len(number) and number[at] != number[at + 1]:
        assert account_of(number[:at] + number[at + 1] + number[at] + number[at + 2 :]) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Top-up of 00000195", {1}), ("счёт №00000195, НДС нет", {1}), ("0000 0195", {1}), ("000-001-95", {1}),
        ("00000195 und 00000292", {1, 2}), ("00000196", set()), ("2026-01-31 10:00", set()), ("", set()), ("9" * 5000, set()),
        ("1 " * 5000, set()), ("100000195", set()), ("00000195.", {1}), ("№ 00000195/1", set()),
    ],
)  # fmt: skip
def test_account_numbers_in_what_people_write(text: str, found: set[int]) -> None:
    assert accounts_in(text) == found


# --- taking them


def statement_of(*rows: str) -> bytes:
    return ("Дата;Сумма;Валюта;Плательщик;Назначение\n" + "\n".join(rows) + "\n").encode("cp1251")


async def seen(database: Database, content: bytes) -> list[str]:
    async with database.pool.connection() as connection:
        shown = await bank.preview(connection, content, "EUR")
    return [one.what for one in shown.lines]


async def test_matched_lines_are_credited_once(database: Database) -> None:
    world = await World.begin(database, "2026-01-31 12:00", paid=False)
    number = account_number(world.account_id)
    content = statement_of(
        f"30.01.2026;100,00;EUR;Anna;счёт {number}",
        f"30.01.2026;100,00;EUR;Anna;счёт {number}",  # twice on one day: both came
        "30.01.2026;55,00;EUR;Boris;no number",
        f"30.01.2026;70,00;USD;Anna;счёт {number}",
        "30.01.2026;9,00;EUR;Nobody;account 99999958",
    )
    assert await seen(database, content) == ["matched", "matched", "unmatched", "other_currency", "unmatched"]
    done = await bank.take(database, content, "EUR", now=world.now)
    assert (done.credited, done.amount, done.kept, done.refused, done.known) == (2, {"EUR": 200_00}, 2, 1, 0)
    assert await world.balance() == 200_00
    assert await seen(database, content) == ["known"] * 5
    again = await bank.take(database, content, "EUR", now=world.now)
    assert (again.credited, again.known, await world.balance()) == (0, 5, 200_00)
    longer = content + f"31.01.2026;1,00;EUR;Anna;{number}\n".encode("cp1251")  # the next day's, with the same lines before
    assert (await bank.take(database, longer, "EUR", now=world.now)).credited == 1
    assert await problems(database) == []


async def test_the_same_file_twice_at_once_is_taken_once(database: Database) -> None:
    world = await World.begin(database, "2026-01-31 12:00", paid=False)
    number = account_number(world.account_id)
    content = statement_of(*(f"30.01.2026;{amount},00;EUR;Anna;{number}" for amount in range(1, 6)))
    done = await asyncio.gather(*(bank.take(database, content, "EUR", now=world.now) for _ in range(3)))
    assert (sum(one.credited for one in done), await world.balance()) == (5, 15_00)


async def test_a_file_that_takes_too_long_is_gone_on_with(database: Database) -> None:
    worlds = [await World.begin(database, "2026-01-31 12:00", paid=False) for _ in range(3)]
    content = statement_of(*(f"30.01.2026;10,00;EUR;Anna;{account_number(world.account_id)}" for world in worlds))
    now = worlds[0].now
    first = await bank.take(database, content, "EUR", now=now, within_s=-1)
    assert (first.credited, first.left, first.known) == (0, 3, 0)
    again = await bank.take(database, content, "EUR", now=now)
    assert (again.credited, again.left, [await world.balance() for world in worlds]) == (3, 0, [10_00] * 3)


async def test_an_operator_s_choice_and_a_line_assigned_later(database: Database) -> None:
    world = await World.begin(database, "2026-01-31 12:00", paid=False)
    content = statement_of("30.01.2026;10,00;EUR;Anna;x", "30.01.2026;20,00;EUR;Anna;y", "30.01.2026;30,00;USD;Anna;z")
    async with database.pool.connection() as connection:
        first = (await bank.preview(connection, content, "EUR")).lines[0].line.fingerprint
    done = await bank.take(database, content, "EUR", assigned={first: world.account_id}, now=world.now)
    assert (done.credited, done.kept) == (1, 2)
    async with database.pool.connection() as connection:
        dollars, open_line = await bank.lines(connection, open=True)
    async with world.book() as book:
        line = await bank.assign(book, open_line.id)
        assert (line.account_id, line.payment_id is not None) == (world.account_id, True)
        with pytest.raises(Refused) as taken:
            await bank.assign(book, open_line.id)
        with pytest.raises(Refused) as other:
            await bank.assign(book, dollars.id)
        with pytest.raises(Refused) as none:
            await bank.assign(book, 999)
    assert [error.value.code for error in (taken, other, none)] == ["assigned", "other_currency", "no_line"]
    assert await world.balance() == 30_00


async def test_a_choice_of_an_account_that_isn_t_there_credits_nobody(database: Database) -> None:
    world = await World.begin(database, "2026-01-31 12:00", paid=False)
    content = statement_of(f"30.01.2026;10,00;EUR;Anna;{account_number(world.account_id)}")
    async with database.pool.connection() as connection:
        first = (await bank.preview(connection, content, "EUR")).lines[0].line.fingerprint
        shown = await bank.preview(connection, content, "EUR", assigned={first: 12345})
    assert [one.what for one in shown.lines] == ["unmatched"]
