"""What a payment provider is to us, and what it says. Adapters turn their provider's words into these; nobody else knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, get_args
from uuid import UUID

from billing.money import LARGEST

# Why a payment failed, as it is told to the customer
Reason = Literal[
    "not_enough_money",  # on the card or the account that paid
    "limit",  # of the card's for payments like this
    "wrong_data",  # number, date, code or address
    "expired_card",
    "not_for_internet",  # the card doesn't pay on the internet, abroad, or in this currency
    "not_authenticated",  # 3-D Secure failed or was broken off
    "cancelled",  # by the customer
    "unavailable",  # the provider or the bank didn't answer
    "other",
]
REASONS: tuple[Reason, ...] = get_args(Reason)

Kind = Literal[
    "pending",  # the customer has paid; the money is on its way
    "paid",
    "failed",
    "expired",  # nobody paid in time
    "refunded",  # given back at the provider; the amount is the total so far
    "refund_failed",  # a refund of ours came back; refund_id says which
    "dispute_opened",  # the provider has taken the money from us
    "dispute_won",
    "dispute_lost",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

TIMEOUT_S = 15.0  # for a provider's answer: somebody waits for the page


class PaymentError(Exception):
    """Root of what goes wrong with providers."""


class BadSignature(PaymentError):
    """Not the provider's, or too old: nothing of it is believed."""


class BadNotice(PaymentError):
    """Rightly signed, but not what was agreed. The text says what is wrong."""


class ProviderFailed(PaymentError):
    """It refused, for good. `reason` is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason[:500]


class ProviderUnavailable(ProviderFailed):
    """No answer: what we asked for may have happened or not. Asking again with the same key is safe."""


class ByHand(PaymentError):
    """This provider gives money back in its own office only: an operator does it there and says so here."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of `payments.sql`. Amounts are minor units of `currency`."""

    id: int
    reference: UUID
    account_id: int
    account_name: str | None  # None: the account is gone
    provider: str
    provider_id: str | None
    amount: int
    currency: str
    state: str
    reason: str | None
    flagged: str | None
    received: int | None
    refunded: int
    page_url: str | None
    entry_id: int | None
    user_id: int | None
    note: str | None
    created_at: datetime
    changed_at: datetime
    paid_at: datetime | None
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """What a provider says of a payment. Raises BadNotice where it can't be."""

    event_id: str
    kind: Kind
    reference: str | None = None  # ours
    provider_id: str | None = None  # the provider's, of the transaction
    amount: int | None = None
    currency: str | None = None
    reason: Reason | None = None
    dispute_id: str | None = None
    refund_id: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict, compare=False)  # as it came, for people

    def __post_init__(self) -> None:
        for name, text in (("event id", self.event_id), ("transaction id", self.provider_id), ("dispute id", self.dispute_id)):
            if text is not None and not (0 < len(text) <= 255 and text.isprintable()):
                raise BadNotice(f"the {name} must be 1 to 255 printable characters")
        if self.reference is None and self.provider_id is None:
            raise BadNotice("neither our reference nor a transaction id: it can't be told which payment is meant")
        if self.amount is not None and not 0 < self.amount <= LARGEST:
            raise BadNotice("the amount must be above zero and below a thousand billions")
        if self.kind in ("paid", "refunded") and (self.amount is None or self.currency is None):
            raise BadNotice(f"{self.kind} needs an amount and a currency")

    def said(self) -> dict[str, Any]:
        """For the table of events: enough to hear it again."""
        told = {name: value for name, value in asdict(self).items() if name != "body" and value is not None}
        return told


def heard_before(event_id: str, said: Mapping[str, Any]) -> Notice:
    """From the table of events."""
    names = Notice.__dataclass_fields__.keys() - {"body"}
    return Notice(**{**{name: value for name, value in said.items() if name in names}, "event_id": event_id})


@dataclass(frozen=True, slots=True)
class Page:
    """Where the customer pays."""

    url: str
    session_id: str | None = None  # the provider's, of the page


class Provider(Protocol):
    """A way to pay."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    def takes(self, currency: str) -> bool: ...

    async def start(self, payment: Payment, return_url: str, language: str) -> Page:
        """The page to pay on; the same for the same payment. Raises ProviderFailed, ProviderUnavailable."""
        ...

    def verify(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notice]:
        """What a callback says; nothing, where it is of no interest. Header names are in small letters.

        Raises BadSignature before anything else is looked at, and BadNotice.
        """
        ...

    async def refund(self, payment: Payment, amount: int, key: str, attempt: int) -> str:
        """Gives back part of a payment, once for a key, however often it is tried; the provider's id of it. `attempt` is another
        after each refusal. Raises ProviderFailed, ProviderUnavailable, ByHand."""
        ...

    async def state(self, payment: Payment) -> Notice | None:
        """What has become of a payment that nothing is heard of; None where there is no news, or nobody to ask. Raises
        ProviderFailed, ProviderUnavailable."""
        ...

    async def aclose(self) -> None: ...
