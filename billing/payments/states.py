"""What becomes of a payment, by what its provider says: pure, so that every order of words can be tried.

A payment is what is known of it, not the last thing that was said: callbacks come twice, late and in any order. So each word only
adds to the facts, and the state and the money follow from all of them:

    progress     created < pending < expired < failed: of those who speak before money comes, the graver word stays
    received     the first amount that came counts; the same again is a duplicate, another one is refused and flagged
    returned     what was given back in total: the most that was said
    disputes     by the provider's id of them: open, then won or lost, for good
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from billing.payments.provider import Notice

PROGRESS = ("created", "pending", "expired", "failed")
State = Literal["created", "pending", "paid", "failed", "expired", "mismatched", "refunded", "disputed", "lost"]

# Why an operator should look at a payment
Flag = Literal[
    "wrong_amount",  # what came isn't what was asked: accept it, or give it back at the provider
    "other_amount",  # the same transaction was told again with another amount; the first one stays
    "second_payment",  # the customer has paid twice; the second money is at the provider and not credited
    "foreign_id",  # its transaction id belongs to another payment
    "other_currency",  # of a refund or a dispute
    "refunded_outside",  # at the provider, not by a request here
    "refund_failed",  # a refund of ours came back
    "disputed",
    "dispute_lost",
    "loss",  # the customer's money didn't suffice: the rest is the provider's loss
    "no_account",  # it is gone
]


@dataclass(frozen=True, slots=True)
class Known:
    """The facts of a payment. Amounts are minor units of `currency`."""

    asked: int
    currency: str
    progress: str = "created"
    reason: str | None = None
    provider_id: str | None = None
    received: int | None = None
    received_currency: str | None = None
    returned: int = 0
    disputes: Mapping[str, Dispute] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    @property
    def credit(self) -> int:
        """What is the customer's, before anything was taken back."""
        return self.asked if (self.received, self.received_currency) == (self.asked, self.currency) else 0

    @property
    def state(self) -> State:
        if self.received is None:
            return self.progress  # type: ignore[return-value]
        if not self.credit:
            return "mismatched"
        told = {dispute.state for dispute in self.disputes.values()}
        if "open" in told:
            return "disputed"
        if "lost" in told:
            return "lost"
        return "refunded" if self.returned >= self.credit else "paid"

    def outside(self, ours: int) -> int:
        """Given back at the provider, besides what we have given back ourselves or are about to."""
        return max(0, min(self.returned, self.credit) - ours)

    @property
    def disputed(self) -> int:
        """What the provider has taken from us, or keeps."""
        return sum(self.part(dispute) for dispute in self.disputes.values() if dispute.state != "won")

    def part(self, dispute: Dispute) -> int:
        """How much of the credit it is about."""
        return self.credit if dispute.amount is None else min(dispute.amount, self.credit)

    def accepting(self) -> Known:
        """With what came in the place of what was asked; an operator says so."""
        return replace(self, asked=self.received or self.asked, flags=self.flags - {"wrong_amount"})


@dataclass(frozen=True, slots=True)
class Dispute:
    amount: int | None  # None: all of the payment
    state: Literal["open", "won", "lost"]


@dataclass(frozen=True, slots=True)
class Heard:
    known: Known
    outcome: str  # for people, in the table of events


def hear(known: Known, notice: Notice) -> Heard:
    """What is known after this word."""
    if notice.kind == "paid":
        return _paid(known, notice)
    if notice.kind in ("pending", "expired", "failed"):
        return _progress(known, notice)
    if notice.currency is not None and notice.currency != known.currency:
        return Heard(_flag(known, "other_currency"), "refused: another currency")
    if notice.kind == "refunded":
        return _refunded(known, notice)
    if notice.kind == "refund_failed":
        return Heard(_flag(known, "refund_failed"), "a refund came back")
    return _disputed(known, notice)


def _paid(known: Known, notice: Notice) -> Heard:
    other = None not in (known.provider_id, notice.provider_id) and known.provider_id != notice.provider_id
    if known.received is None:
        after = replace(
            known,
            received=notice.amount,
            received_currency=notice.currency,
            provider_id=notice.provider_id or known.provider_id,
            reason=None,
        )
        return Heard(after, "paid") if after.credit else Heard(_flag(after, "wrong_amount"), "mismatched: another amount")
    if other:
        return Heard(_flag(known, "second_payment"), f"refused: a second payment, {notice.provider_id}")
    if (notice.amount, notice.currency) != (known.received, known.received_currency):
        return Heard(_flag(known, "other_amount"), "refused: another amount than before")
    return Heard(known, "heard before")


def _progress(known: Known, notice: Notice) -> Heard:
    if known.received is not None:
        return Heard(known, "too late: it is paid")
    if PROGRESS.index(notice.kind) < PROGRESS.index(known.progress):
        return Heard(known, f"too late: it has {known.progress}")
    reason = (notice.reason or "other") if notice.kind == "failed" else known.reason
    if notice.kind == known.progress == "failed":
        reason = min(reason or "other", known.reason or "other", key=_telling)  # of two the more telling one, in any order
    return Heard(replace(known, progress=notice.kind, reason=reason), notice.kind)


def _telling(reason: str) -> tuple[bool, str]:
    return reason == "other", reason


def _refunded(known: Known, notice: Notice) -> Heard:
    total = notice.amount or 0
    after = replace(known, returned=max(known.returned, total), provider_id=known.provider_id or notice.provider_id)
    return Heard(after, "refunded" if after.returned > known.returned else "heard before")


def _disputed(known: Known, notice: Notice) -> Heard:
    key = notice.dispute_id or "dispute"
    before = known.disputes.get(key)
    told: Literal["open", "won", "lost"]
    told = "open" if notice.kind == "dispute_opened" else "won" if notice.kind == "dispute_won" else "lost"
    if before is not None and (before.state != "open" or told == "open"):
        return Heard(
            known, "heard before" if before.state == told or told == "open" else f"refused: the dispute is {before.state}"
        )
    amount = before.amount if before is not None and before.amount is not None else notice.amount
    after = replace(
        known,
        disputes={**known.disputes, key: Dispute(amount, told)},
        provider_id=known.provider_id or notice.provider_id,
    )
    flag = {"open": "disputed", "lost": "dispute_lost"}.get(told)
    return Heard(_flag(after, flag) if flag else after, f"dispute {told}")


def _flag(known: Known, flag: str) -> Known:
    return replace(known, flags=known.flags | {flag})
