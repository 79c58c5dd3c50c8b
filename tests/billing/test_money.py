"""Amounts that people write. dashboards/web/tests/money.test.ts has the same table for the pages' fields."""

from __future__ import annotations

import pytest

from billing.errors import Refused
from billing.money import digits, parsed, plain, shown


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("300", "EUR", 300_00),
        ("1 234,50", "KZT", 1_234_50),
        ("1\u00a0234,5", "RUB", 1_234_50),
        ("1,234.50", "USD", 1_234_50),
        ("1.234,50", "EUR", 1_234_50),
        ("1,234", "EUR", 1_234_00),
        ("1’234.05", "CHF", 1_234_05),
        ("0.01", "EUR", 1),
        ("300", "JPY", 300),
        ("12.345", "JPY", 12_345),
        ("1.234", "KWD", 1_234),
    ],
)
def test_what_people_write(text: str, currency: str, amount: int) -> None:
    assert parsed(text, currency) == amount
    assert parsed(plain(amount, currency), currency) == amount


@pytest.mark.parametrize("text", ["", "12,3x", "-5", "1.2.3", "0.005", "0,005", "1e3", "9" * 20, "1.5.5", "."])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(Refused, match="write it like"):
        parsed(text, "EUR")


@pytest.mark.parametrize(
    ("amount", "currency", "language", "text"),
    [
        (3_561_098, "KZT", "en", "₸35,610.98"),
        (3_561_098, "KZT", "ru", "35 610,98 ₸"),
        (3_561_098, "KZT", "kk", "35 610,98 ₸"),
        (968, "EUR", "en", "€9.68"),
        (968, "RUB", "en", "₽9.68"),
        (968, "UAH", "kk", "9,68 ₴"),
        (968, "PLN", "en", "zł 9.68"),
        (968, "CHF", "en", "CHF 9.68"),
        (968, "KGS", "ru", "9,68 KGS"),
        (968, "CAD", "en", "CA$9.68"),
        (968, "HUF", "en", "Ft 9.68"),
        (968, "RSD", "en", "RSD 968"),
        (1_968, "JPY", "kk", "1 968 ¥"),
        (1_968, "KWD", "en", "KWD 1.968"),
    ],
)
def test_what_people_read(amount: int, currency: str, language: str, text: str) -> None:
    assert shown(amount, currency, language) == text.replace(" ", "\u00a0"), digits(currency)
