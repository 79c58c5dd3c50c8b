"""What a customer or an operator may not do, and why."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """Nothing was changed. `code` is for programs, the text for people; `values` are what the text was made of."""

    def __init__(self, code: str, text: str, **values: Any) -> None:
        super().__init__(text)
        self.code = code
        self.values = values


class NotEnoughMoney(Refused):
    """`needed` and `balance` are minor units of `currency`."""

    def __init__(self, needed: int, balance: int, currency: str) -> None:
        super().__init__(
            "not_enough_money",
            f"{needed / 100:.2f} {currency} are needed and {balance / 100:.2f} are there: top up first.",
            needed=needed,
            balance=balance,
            currency=currency,
        )
