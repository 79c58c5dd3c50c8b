"""Amounts as people write and read them; everywhere else they are whole minor units."""

from __future__ import annotations

import re
from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

from billing.errors import Refused

# Babel knows one sign of a currency per language, which abroad is its code. These are CLDR's narrow ones, as far as no two
# currencies share one; dashboards/web/src/billing/money.ts asks the browser for the same.
SIGNS = {
    "AMD": "֏", "AZN": "₼", "CZK": "Kč", "EUR": "€", "GBP": "£", "HUF": "Ft", "ILS": "₪", "INR": "₹", "JPY": "¥", "KRW": "₩",
    "KZT": "₸", "MNT": "₮", "NGN": "₦", "PHP": "₱", "PLN": "zł", "RUB": "₽", "THB": "฿", "TRY": "₺", "UAH": "₴", "VND": "₫",
}  # fmt: skip
NO_BREAK_SPACE = "\u00a0"
LARGEST = 10**15  # minor units: more than anybody pays, and far from the end of a bigint even when added up


def digits(currency: str) -> int:
    """Decimals of the currency: 2 for EUR and KZT, 0 for JPY, 3 for KWD."""
    found: int = get_currency_precision(currency)
    return found


def plain(amount: int, currency: str) -> str:
    """`-9.68`: for files and programs."""
    return f"{exact(amount, currency):f}"


def exact(amount: int, currency: str) -> Decimal:
    """In whole currency units."""
    return Decimal(amount).scaleb(-digits(currency))


def shown(amount: int, currency: str, language: str = "en") -> str:
    """As the language writes it: `₸9.68`, `CHF 9.68`, `9,68 ₽`. Never broken into two lines."""
    sign = get_currency_symbol(currency, locale=language)
    text = str(format_currency(exact(amount, currency), currency, locale=language)).replace(sign, SIGNS.get(currency, sign))
    return re.sub(r"(?<=[^\W\d_])(?=\d)", NO_BREAK_SPACE, text)  # no letter stands right before a digit


def parsed(text: str, currency: str) -> int:
    """Minor units of what a person wrote: `300`, `1 234,50`, `1,234.50`. Raises Refused for anything else."""
    decimals = digits(currency)
    bare = re.sub(r"[\s\u00a0\u202f'’]", "", text)
    point = max(bare.rfind("."), bare.rfind(","))
    whole, part = (bare, "") if point < 0 else (bare[:point], bare[point + 1 :])
    if point >= 0 and len(part) > decimals and len(part) == 3 and re.fullmatch(r"[1-9]\d{0,2}([.,]\d{3})+", bare):
        whole, part = bare, ""  # 1,234 is a thousand and something
    whole = re.sub(r"[.,]", "", whole) if re.fullmatch(r"\d+|\d{1,3}([.,]\d{3})*", whole) else whole
    if not re.fullmatch(r"\d{1,15}", whole) or not re.fullmatch(r"\d*", part) or len(part) > decimals:
        raise Refused("bad_amount", f"{text!r} is no amount: write it like 1234.50, with at most {decimals} decimals.")
    return int(whole + part.ljust(decimals, "0"))
