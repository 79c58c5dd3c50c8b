"""Amounts that people write. dashboards/web/tests/money.test.ts has the same table for the pages' fields."""

from __future__ import annotations

import pytest

from billing.errors import Refused
from billing.money import parsed, plain


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
