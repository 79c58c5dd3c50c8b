"""What follows from a try that failed, and from a sender that died in the middle of one. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from telematics.alerts.channels import NotSent

FIRST_S = 5.0  # before the second try; each further pause is three times as long
LONGEST_S = 300.0
JITTER = 0.3  # of the pause, both ways: a gateway that comes back isn't met by everybody at once
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Next:
    """`wait_s` is for waiting ones. `uncertain`: from now on it may have been sent once."""

    state: str
    reason: str
    wait_s: float = 0.0
    uncertain: bool = False

    @property
    def final(self) -> bool:
        return self.state != "waiting"


def after_failure(
    error: NotSent, *, attempts: int, most: int, idempotent: bool, uncertain: bool, left_s: float, luck: float | None = None
) -> Next:
    """`attempts` were begun, this one among them; `uncertain`: an earlier one may have gone out. `left_s`: for so long the alert
    is still worth telling."""
    doubt = error.uncertain and not idempotent
    said = " ".join(error.reason.split())[:LONGEST_REASON]
    code = "may have been sent" if doubt or (uncertain and not idempotent) else "gateway"
    failed = Next("failed", f"{code}: {said}", uncertain=doubt)
    if error.permanent or attempts >= most or (doubt and uncertain):
        return failed
    wait_s = pause_s(attempts, luck) if error.retry_after_s is None else max(error.retry_after_s, 1.0)
    if wait_s >= left_s:  # it would be stale by then: better to know now
        return failed
    return Next("waiting", f"{'may have been sent' if doubt else 'trying again'}: {said}", wait_s, uncertain=doubt)


def after_crash(*, attempts: int, most: int, idempotent: bool, uncertain: bool) -> Next:
    """Of a delivery whose sender died after it had begun, so that nobody knows how it ended."""
    if idempotent and attempts < most:
        return Next("waiting", "trying again: the server stopped in the middle")
    if idempotent or uncertain or attempts >= most:
        return Next("failed", "may have been sent: the server stopped in the middle", uncertain=not idempotent)
    return Next("waiting", "may have been sent: the server stopped in the middle", uncertain=True)


def pause_s(attempts: int, luck: float | None = None) -> float:
    """Before the next try. `luck` is from 0 to 1."""
    chance = random.random() if luck is None else luck  # noqa: S311 # nobody gains by guessing it
    pause = min(FIRST_S * 3 ** min(attempts - 1, 20), LONGEST_S)
    return float(pause * (1 - JITTER + 2 * JITTER * chance))
