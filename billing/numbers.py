"""Account numbers, as people write them in a bank transfer: the account's id with two check digits.

    00000195      account 1      (at least six digits of the id, then the check digits)

ISO/IEC 7064, MOD 97-10, as in IBAN: any one wrong digit and any two neighbours swapped are noticed, and of numbers that mean
something else (an invoice, a date) 96 of 97.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SHORTEST, LONGEST = 8, 12
_GROUPS = re.compile(r"(?<![\d.,/:-])\d[\d \u00a0-]*\d(?![\d/:]|[.,]\d)")


def account_number(account_id: int) -> str:
    return f"{account_id:06d}{98 - account_id * 100 % 97:02d}"


def account_of(number: str) -> int | None:
    """The account's id; None for what is no account number."""
    if not (number.isascii() and number.isdecimal() and SHORTEST <= len(number) <= LONGEST) or int(number) % 97 != 1:
        return None
    account_id = int(number[:-2])
    return account_id if account_id and number == account_number(account_id) else None


def accounts_in(text: str) -> set[int]:
    """The ids of all account numbers in a text; people write them with spaces and hyphens, too."""
    found = {account_of(number) for number in _candidates(text)}
    return {account_id for account_id in found if account_id is not None}


def _candidates(text: str) -> Iterator[str]:
    """Runs of digits, and neighbouring ones read together."""
    for group in _GROUPS.findall(text):
        runs = re.split(r"[ \u00a0-]+", group)[:20]
        for start in range(len(runs)):
            joined = ""
            for run in runs[start:]:
                joined += run
                if len(joined) > LONGEST:
                    break
                if len(joined) >= SHORTEST:
                    yield joined
