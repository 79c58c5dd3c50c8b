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
    """`needed` and `balance` are minor units of `currency`, which has so many `digits`."""

    def __init__(self, needed: int, balance: int, currency: str) -> None:
        from billing.money import digits, shown  # which refuses, too

        super().__init__(
            "not_enough_money",
            f"The balance is {shown(needed - balance, currency)} short: top up first.",
            needed=needed,
            balance=balance,
            currency=currency,
            digits=digits(currency),
        )
