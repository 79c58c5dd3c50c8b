"""What a customer or an operator may not do, and why."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from babel.numbers import format_currency, get_currency_precision


class Refused(Exception):
    """Nothing was changed. `code` is for programs, the text for people; `values` are what the text was made of."""

    def __init__(self, code: str, text: str, **values: Any) -> None:
        super().__init__(text)
        self.code = code
        self.values = values


class NotEnoughMoney(Refused):
    """`needed` and `balance` are minor units of `currency`."""

    def __init__(self, needed: int, balance: int, currency: str) -> None:
        short = format_currency(_exact(needed - balance, currency), currency, locale="en")
        super().__init__(
            "not_enough_money", f"The balance is {short} short: top up first.", needed=needed, balance=balance, currency=currency
        )


def _exact(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-get_currency_precision(currency))
