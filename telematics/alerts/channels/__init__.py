"""The ways by which a person, or another program, is told: `channels(settings, database)` is the door.

A channel takes one address and one message and either says that it was sent or raises `NotSent`, which says whether to try
again. It never takes longer than the deadline it is given, whatever the gateway does: who waits for it is the outbox's worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from telematics.config import Settings
    from telematics.store.database import Database

PICTURE = "map"  # the picture's Content-ID: a message's HTML shows it as cid:map


@dataclass(frozen=True, slots=True)
class Fact:
    """One alert, ready to be told."""

    alert_id: int
    device_name: str
    type: str
    subject: str
    time: datetime
    attributes: Mapping[str, Any]
    zone_name: str | None
    place: str | None
    latitude: float | None
    longitude: float | None
    speed_kmh: float | None


@dataclass(frozen=True, slots=True)
class Message:
    """In one language, for one recipient; made by `wording.compose`."""

    delivery_id: int
    subject: str
    text: str
    short: str  # for SMS
    html: str | None = None
    picture: bytes | None = None  # PNG
    data: Mapping[str, Any] = field(default_factory=dict)  # the webhook's JSON
    secret: str | None = None  # that the webhook is signed with; None: the secret of the delivery's rule


@dataclass(frozen=True, slots=True)
class Sent:
    provider_id: str | None = None  # what the gateway calls it
    parts: int | None = None  # of an SMS


class NotSent(Exception):
    """It didn't go out, or nobody knows whether it did. `reason` is for readers of the deliveries."""

    def __init__(
        self, reason: str, *, permanent: bool = False, uncertain: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent  # another try would end the same way
        self.uncertain = uncertain  # it may have gone out: who can't tell a repeat would be told twice
        self.retry_after_s = retry_after_s  # the gateway asked to be left alone for so long


class Channel(Protocol):
    name: str  # "mail", "sms", "messenger", "webhook"
    idempotent: bool  # the receiver can tell a repeat

    @property
    def configured(self) -> str | None:
        """None: ready; otherwise why not, and what to do."""

    async def send(self, address: str, message: Message, *, deadline_s: float) -> Sent:
        """Raises NotSent. Ends within deadline_s, even when the gateway doesn't."""
        ...

    async def close(self) -> None:
        """Ends what it keeps open for the next message: a bound connection, a helper process."""


def channels(settings: Settings, database: Database) -> dict[str, Channel]:
    """All of them by name, also those that aren't configured. `close` ends what some keep open for the next message."""
    from telematics.alerts.channels.helpers import Helpers
    from telematics.alerts.channels.mail import Mail
    from telematics.alerts.channels.messenger import Messenger
    from telematics.alerts.channels.sms import Sms
    from telematics.alerts.channels.webhook import Webhook

    made: tuple[Channel, ...] = (
        Mail(settings.mail),
        Sms(settings.sms, Helpers()),  # each its own: a messenger that is blocked in this country holds up no SMS
        Messenger(settings, database, Helpers()),
        Webhook(settings, database),
    )
    return {channel.name: channel for channel in made}
