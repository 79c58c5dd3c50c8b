"""A bank's statement as a file: what its lines say, whatever the bank.

    encoding    UTF-8, UTF-16 with its mark, otherwise Windows-1251
    columns     found by their headings, in any order, after any lines of the bank's own; separated by ; , | or tabs
    amounts     1 234,56  1,234.56  1.234,56  1234.5  1'234.56; of a debit and a credit column the credit
    days        2026-01-31  31.01.2026  31.01.26  31/01/2026  20260131, a time may follow
    1C          the exchange format 1CClientBankExchange, which many banks give instead

Money that left is left out. A line that can't be read is told, and the others are taken.

Sources: 1C, "Стандарт обмена с системами Клиент банка" (1CClientBankExchange, v1.03); headings as in exports of Kaspi Pay, Halyk,
Sber Business, Deutsche Bank and Wise.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from billing.errors import Refused
from billing.money import LARGEST, digits

LARGEST_BYTES = 700_000  # some 5,000 lines; base64 of it fits a request
MOST_LINES = 10_000
TOLD = 50  # lines that can't be read, and more
HEADER_WITHIN = 60  # lines of the file, before which the headings must come
LONGEST_HEADINGS = 5_000  # characters of the line, and its columns: looking through them costs their square
MOST_COLUMNS = 100
LONGEST_TEXT = 500

# Headings by what they mean, in small letters; the first that fits a column wins, and longer ones are asked first
HEADINGS: dict[str, tuple[str, ...]] = {
    "day": (
        "дата операции", "дата документа", "дата проводки", "дата поступления", "дата зачисления", "дата", "күні",
        "booking date", "posting date", "transaction date", "value date", "date", "buchungstag", "buchungsdatum", "valuta",
    ),
    "credit": (
        "кредит", "сумма по кредиту", "по кредиту", "приход", "поступление", "поступления", "зачислено", "зачисление", "кіріс",
        "credit", "credit amount", "paid in", "money in", "incoming", "haben",
    ),
    "debit": (
        "дебет", "сумма по дебету", "по дебету", "расход", "списание", "списано", "шығыс", "debit", "debit amount", "paid out",
        "money out", "outgoing", "soll",
    ),
    "amount": ("сумма операции", "сумма платежа", "сумма документа", "сумма", "сомасы", "сома", "amount", "betrag", "umsatz"),
    "currency": ("валюта операции", "валюта счета", "валюта", "currency", "ccy", "währung", "waehrung"),
    "payer": (
        "наименование плательщика", "плательщик", "контрагент", "наименование контрагента", "отправитель", "клиент", "төлеуші",
        "payer name", "payer", "debtor name", "debtor", "counterparty", "sender", "name", "auftraggeber", "zahlungspflichtiger",
        "beguenstigter/zahlungspflichtiger",
    ),
    "details": (
        "назначение платежа", "назначение", "детали платежа", "детали операции", "детали", "описание", "комментарий",
        "төлем мақсаты", "payment details", "payment reference", "remittance information", "details", "purpose", "description",
        "narrative", "message", "verwendungszweck",
    ),
    "reference": (
        "номер документа", "№ документа", "номер операции", "номер транзакции", "референс", "номер", "№", "құжат нөмірі",
        "transaction id", "end to end id", "end-to-end id", "bank reference", "reference", "document number", "id",
    ),
}  # fmt: skip
CURRENCIES = {
    "ТЕНГЕ": "KZT", "ТГ": "KZT", "ТГ.": "KZT", "₸": "KZT", "398": "KZT", "РУБ": "RUB", "РУБ.": "RUB", "RUR": "RUB", "₽": "RUB",
    "643": "RUB", "810": "RUB", "€": "EUR", "978": "EUR", "$": "USD", "840": "USD",
}  # fmt: skip
SEPARATORS = (";", "\t", "|", ",")
_DAYS = (
    (re.compile(r"(\d{4})-(\d\d)-(\d\d)"), (1, 2, 3)),
    (re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})"), (3, 2, 1)),
    (re.compile(r"(\d\d)[./](\d\d)[./](\d\d)"), (3, 2, 1)),
    (re.compile(r"(\d{4})(\d\d)(\d\d)"), (1, 2, 3)),
)


@dataclass(frozen=True, slots=True)
class StatementLine:
    """Money that came in. `fingerprint` is the same whenever the same line is read, and another for its twin in the same file."""

    no: int  # in the file
    day: date
    amount: int
    currency: str
    payer: str
    details: str
    reference: str
    fingerprint: str


@dataclass(slots=True)
class Statement:
    lines: list[StatementLine] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)  # a line of the file, and what is wrong with it
    left_out: int = 0  # lines of money that left
    columns: dict[str, str] = field(default_factory=dict)  # what was found under which heading


@dataclass(frozen=True, slots=True)
class Raw:
    no: int
    values: Mapping[str, str]


def read(content: bytes, currency: str, *, today: date) -> Statement:
    """`currency` is that of lines that name none. Raises Refused: too_large, not_a_statement."""
    if len(content) > LARGEST_BYTES:
        raise Refused("too_large", f"The file is larger than {LARGEST_BYTES // 1000} kB: export fewer days at once.")
    text = _text(content)
    statement = Statement()
    raws = _exchange(text) if text.lstrip("\ufeff \r\n").startswith("1CClientBankExchange") else _table(text, statement)
    twins: Counter[str] = Counter()
    for raw in raws:
        try:
            line = _line(raw, currency, today)
        except ValueError as error:
            if len(statement.problems) < TOLD:
                statement.problems.append((raw.no, str(error)))
            continue
        if line is None:
            statement.left_out += 1
            continue
        if len(statement.lines) == MOST_LINES:
            raise Refused("too_large", f"The file has more than {MOST_LINES} lines: export fewer days at once.")
        statement.lines.append(_told_apart(line, twins))
    if not statement.lines and not statement.problems and not statement.left_out:
        raise Refused("not_a_statement", "The file has no lines under its headings: export it again, with the days you want.")
    return statement


def _text(content: bytes) -> str:
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    encodings = ["utf-16"] if marked else ["utf-8-sig", "cp1251"]
    for encoding in encodings:
        try:
            return content.decode(encoding).replace("\0", "")
        except UnicodeDecodeError:
            continue
    raise Refused("not_a_statement", "The file is no text: export the statement as CSV, in UTF-8 or Windows-1251.")


def _told_apart(line: StatementLine, twins: Counter[str]) -> StatementLine:
    """The bank's number of a line isn't enough: payers number their orders themselves. Words may differ in their spacing."""
    said = "|".join(
        (line.day.isoformat(), str(line.amount), line.currency, *map(_bare, (line.payer, line.details, line.reference)))
    )
    twins[said] += 1
    fingerprint = hashlib.sha256(f"{said}|{twins[said]}".encode()).hexdigest()
    return StatementLine(line.no, line.day, line.amount, line.currency, line.payer, line.details, line.reference, fingerprint)


def _bare(text: str) -> str:
    return " ".join(text.lower().split()).replace("|", " ")


# --- tables


def _table(text: str, statement: Statement) -> Iterator[Raw]:
    lines = text.splitlines()
    for index, line in enumerate(lines[:HEADER_WITHIN]):
        if len(line) > LONGEST_HEADINGS:
            continue
        for separator in SEPARATORS:
            names = _split(line, separator)[:MOST_COLUMNS]
            columns = _columns(names)
            if "day" in columns and ("amount" in columns or "credit" in columns):
                statement.columns = {what: names[at].strip() for what, at in columns.items()}
                return _rows("\n".join(lines[index + 1 :]), separator, columns, first=index + 2)
    raise Refused(
        "not_a_statement",
        "No line of headings was found: it needs a date (such as “Дата” or “Date”) and an amount (“Сумма”, “Кредит”, “Amount”).",
    )


def _split(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _columns(names: Sequence[str]) -> dict[str, int]:
    """Where each thing stands: exact headings first, then those that begin so."""
    bare = [re.sub(r"\s+", " ", name.strip().strip("\ufeff").lower()) for name in names]
    found: dict[str, int] = {}
    for fits in (_same, _begins):
        for what, headings in HEADINGS.items():
            for heading in headings:
                at = next((at for at, name in enumerate(bare) if at not in found.values() and fits(name, heading)), None)
                if what not in found and at is not None:
                    found[what] = at
    return found


def _same(name: str, heading: str) -> bool:
    return name == heading


def _begins(name: str, heading: str) -> bool:
    return len(heading) > 2 and name.startswith(heading) and not name[len(heading) : len(heading) + 1].isalnum()


def _rows(text: str, separator: str, columns: Mapping[str, int], first: int) -> Iterator[Raw]:
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        for cells in reader:
            values = {what: cells[at].strip() for what, at in columns.items() if at < len(cells)}
            if _tells(values):
                yield Raw(first + reader.line_num - 1, values)
    except csv.Error as error:
        raise Refused("not_a_statement", f"Line {first + reader.line_num - 1} can't be read ({error}).") from None


def _tells(values: Mapping[str, str]) -> bool:
    """Sums and empty lines don't. One without a day that names its payer or purpose may be money: let somebody look."""
    if re.search(r"\d", values.get("day", "")):
        return True
    money = values.get("credit") or values.get("amount", "")
    return bool((values.get("payer") or values.get("details")) and re.search(r"[1-9]", money))


def _exchange(text: str) -> Iterator[Raw]:
    """1CClientBankExchange: documents between СекцияДокумент and КонецДокумента, a name and a value a line. The account's own
    number tells what came from what left."""
    own, document, begun = set[str](), dict[str, str](), 0
    for no, line in enumerate(text.splitlines(), 1):
        name, _, value = (part.strip() for part in line.partition("="))
        if name == "СекцияДокумент":
            document, begun = {}, no
        elif name == "КонецДокумента" and begun:
            came = document.get("ПолучательСчет", document.get("ПолучательРасчСчет", ""))
            left = document.get("ПлательщикСчет", document.get("ПлательщикРасчСчет", ""))
            incoming = bool(document.get("ДатаПоступило")) if not own else came in own and left not in own
            amount = document.get("Сумма", "")
            yield Raw(
                begun,
                {
                    "day": document.get("ДатаПоступило") or document.get("Дата", ""),
                    ("credit" if incoming else "debit"): amount,
                    "payer": document.get("Плательщик1") or document.get("Плательщик", ""),
                    "details": document.get("НазначениеПлатежа", ""),
                    "reference": document.get("Номер", ""),
                },
            )
            begun = 0
        elif begun:
            document[name] = value
        elif name == "РасчСчет":
            own.add(value)


# --- a line


def _line(raw: Raw, currency: str, today: date) -> StatementLine | None:
    """None where nothing came in. Raises ValueError that says what can't be read."""
    said = raw.values
    named = said.get("currency", "").upper().strip() or currency
    named = CURRENCIES.get(named, named)
    if not re.fullmatch("[A-Z]{3}", named):
        raise ValueError(f"the currency {named[:20]!r} is not known")
    written = said.get("credit") or ("" if said.get("debit") else said.get("amount", ""))
    if not written or not any(character in "123456789" for character in written):
        return None
    amount = amount_of(written, named)
    if amount <= 0:
        return None
    if amount > LARGEST:
        raise ValueError(f"the amount {written[:40]!r} is too large")
    day = day_of(said.get("day", ""))
    if day > today + timedelta(days=1):
        raise ValueError(f"the day {day} is still to come")
    texts = {what: _short(said.get(what, "")) for what in ("payer", "details", "reference")}
    return StatementLine(raw.no, day, amount, named, **texts, fingerprint="")


def _short(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())[:LONGEST_TEXT]


def day_of(text: str) -> date:
    """Raises ValueError."""
    for pattern, (year, month, day) in _DAYS:
        if found := pattern.match(text.strip()):
            parts = int(found[year]), int(found[month]), int(found[day])
            try:
                return datetime(parts[0] + 2000 if parts[0] < 100 else parts[0], parts[1], parts[2]).date()  # noqa: DTZ001 # a day
            except ValueError:
                break
    raise ValueError(f"the day {text[:40]!r} can't be read: write it as 31.01.2026 or 2026-01-31")


def amount_of(text: str, currency: str) -> int:
    """Minor units; below zero for money that left. Raises ValueError.

    What comes last of point and comma begins the decimals, if no more digits follow than the currency has, or if the other one
    stands before it.
    """
    bare = re.sub(r"[\s\u00a0\u202f'’]|[A-Za-z€$₸₽]{1,3}\.?$", "", text.strip()).replace("−", "-").lstrip("+")
    negative, bare = bare.startswith("-"), bare.lstrip("-")
    most: int = digits(currency)
    found = re.fullmatch(r"([1-9]\d{0,2}(?:([.,])\d{3})(?:\2\d{3})*|\d+)(?:([.,])(\d*))?", bare, re.ASCII)
    if found is None or (found[3] and found[2] == found[3]):
        raise ValueError(f"the amount {text[:40]!r} can't be read: write it as 1234.50 or 1234,50")
    decimals = (found[4] or "").rstrip("0")
    if len(decimals) > most:
        raise ValueError(f"the amount {text[:40]!r} has more decimals than {currency}")
    if most == 3 and found[2] and not found[3] and len(re.sub(r"\d", "", found[1])) == 1:
        raise ValueError(f"the amount {text[:40]!r} may mean two things: write it without separators between thousands")
    amount: int = int(re.sub(r"\D", "", found[1])) * 10**most + int(decimals.ljust(most, "0") or "0")
    return -amount if negative else amount
