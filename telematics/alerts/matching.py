"""Which rules an event meets, whom they name, and what is decided at once about telling them. Pure: no clock, no database.

A delivery's reason is one of `REASONS`, alone or with facts behind a colon ("gateway: connection refused"): short English, which
the pages translate by the part before the colon. docs/alerts.md tells what each means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from telematics.devices import Device, Groups, Targets
from telematics.hours import ALWAYS, Hours
from telematics.store.records import NOTICED

TYPES: Final = (
    "deviceOnline",
    "deviceOffline",
    "deviceInactive",
    "deviceMoving",
    "deviceStopped",
    "deviceIdle",
    "deviceOverspeed",
    "ignitionOn",
    "ignitionOff",
    "geofenceEnter",
    "geofenceExit",
    "geofenceDwell",
    "geofenceAway",
    "geofencePass",
    "proximityEnter",
    "proximityExit",
    "deviceFuelDrop",
    "deviceFuelIncrease",
    "powerLost",
    "powerRestored",
    "batteryLow",
    "alarm",
    "commandResult",  # subject: the command's number
)
ACCOUNT_TYPES: Final = (  # about an account itself: no device, no rule
    "balanceLow",  # subject: at how many days left it is told
    "trackerBlocked",
)
CHANNELS: Final = ("web", "mail", "sms", "messenger", "webhook")
STATES: Final = ("waiting", "sending", "sent", "bundled", "skipped", "failed")
REASONS: Final = (
    # skipped
    "late",  # the tracker sent it from its memory, after newer reports
    "stale",  # older than alerts.stale_s
    "quiet hours",  # the recipient's; of what is about the account itself only a reason to wait
    "no phone number",
    "no messenger",
    "not configured",  # the channel; facts: what to set
    "not paid for",  # facts: what the meter said
    "hourly limit",  # also while it waits for its turn
    "rule removed",  # or switched off, or it names this recipient no more
    "device removed",  # or disabled
    "recipient removed",  # of what is about the account itself: they may do nothing about it, or have another address
    # waiting
    "bundling",  # gathers those alike
    "trying again",  # facts: what went wrong
    # failed, or waiting for the next try
    "gateway",  # facts: what it said
    "may have been sent",  # nobody knows: a crash or a silent gateway in the middle
)
WITH_FALLBACK: Final = frozenset(("sms", "messenger"))  # channels in whose place an e-mail goes
UNTOLD: Final = frozenset(("superseded", "corrects"))  # attributes of events that nobody is to hear of
EVERYBODY: Final = "*"  # the web's address of a rule that names nobody: everyone of the account


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    account_id: int
    email: str
    name: str
    language: str
    time_zone: str
    phone: str | None = None
    quiet: Hours | None = None  # None: never quiet
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One that is switched on, of an account that is. `people` are those of its recipients who may be told."""

    id: int
    account_id: int
    name: str
    types: frozenset[str]
    targets: Targets
    channels: tuple[str, ...]
    alarms: frozenset[str] = frozenset()
    zone_ids: frozenset[int] = frozenset()
    zone_groups: frozenset[str] = frozenset()
    proximity_ids: frozenset[int] = frozenset()  # none: any that concerns its devices
    hours: Hours = ALWAYS
    people: tuple[Person, ...] = ()
    named: bool = False  # names people at all, be it only those who may be told no more
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    webhook_url: str | None = None
    urgent: bool = False
    cooldown_s: float = 0
    command_id: int | None = None  # the saved command that the device is told
    language: str = "en"
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, as the outbox tells of it."""

    device_id: int
    time: datetime
    type: str
    subject: str = ""
    event_id: int | None = None
    position_id: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def late(self) -> bool:
        return bool(self.attributes.get("late"))

    @property
    def noticed_at(self) -> datetime:
        """When reports could first tell of it: what is stale is asked of that, not of a time that was worked out afterwards."""
        noticed = self.attributes.get(NOTICED)
        try:
            return max(self.time, datetime.fromisoformat(noticed)) if isinstance(noticed, str) else self.time
        except (ValueError, TypeError):
            return self.time

    @property
    def untold(self) -> bool:
        return any(self.attributes.get(name) for name in UNTOLD)

    @property
    def zone_id(self) -> int | None:
        """The zone it is about: of geofence events, and of the speed limit of a zone."""
        return zone_of(self.type, self.subject)

    @property
    def proximity_id(self) -> int | None:
        """Of proximity events, whose subject is "proximity:partner"."""
        number = self.subject.partition(":")[0]
        return int(number) if number.isdecimal() and len(number) <= 10 else None


@dataclass(frozen=True, slots=True)
class Zone:
    account_id: int
    name: str
    zone_group: str


@dataclass(frozen=True, slots=True)
class Recipient:
    channel: str
    address: str  # e-mail, phone, number of a messenger, URL; of the web the user's number
    person: Person | None = None
    reason: str | None = None  # why they can't be told that way


@dataclass(frozen=True, slots=True)
class Draft:
    """A delivery to be stored. `instead_of`: the SMS or messenger whose place it takes."""

    rule_id: int
    user_id: int | None
    channel: str
    address: str
    state: str
    reason: str | None = None
    instead_of: Draft | None = None


ZoneOf = Callable[[int], Zone | None]


def zone_of(event_type: str, subject: str) -> int | None:
    if not (event_type.startswith("geofence") or event_type == "deviceOverspeed") or not subject.isdecimal() or len(subject) > 10:
        return None
    return int(subject)


def meets(rule: Rule, event: Happening, device: Device, groups: Groups, zone: ZoneOf) -> bool:
    """Whether the rule asks for this event of this device. Cooldown is another matter: `cooled`."""
    if event.type not in rule.types or device.disabled or event.untold or not rule.targets.include(device, groups):
        return False
    if event.type == "alarm" and rule.alarms and event.subject not in rule.alarms:
        return False
    if (event.type.startswith("geofence") or event.type == "deviceOverspeed") and not _in_zone(rule, event.zone_id, zone):
        return False
    if event.type.startswith("proximity") and rule.proximity_ids and event.proximity_id not in rule.proximity_ids:
        return False
    return rule.hours.always or rule.hours.contains(event.time)


def _in_zone(rule: Rule, zone_id: int | None, zone: ZoneOf) -> bool:
    found = zone(zone_id) if zone_id is not None else None
    if found is not None and found.account_id != rule.account_id:  # a vehicle that changed hands a moment ago
        return False
    if not rule.zone_ids and not rule.zone_groups:
        return True
    if zone_id in rule.zone_ids:
        return True
    return found is not None and found.zone_group in rule.zone_groups


def cooled(rule: Rule, time: datetime, told: Iterable[datetime]) -> bool:
    """Whether an alert of this rule about the same device, type and subject was so near in time that this one is not told.
    `told` are the times of those."""
    return rule.cooldown_s > 0 and any(abs((time - other).total_seconds()) < rule.cooldown_s for other in told)


def recipients(rule: Rule, messengers: Mapping[int, Sequence[int]]) -> Iterator[Recipient]:
    """Everybody the rule names, by each of its channels; `messengers` are the numbers of users' messengers."""
    for channel in rule.channels:
        if channel == "web" and not rule.named:
            yield Recipient("web", EVERYBODY)
        if channel == "webhook" and rule.webhook_url:
            yield Recipient("webhook", rule.webhook_url)
        for person in rule.people:
            yield from _ways(channel, person, messengers)
        for address in {"mail": rule.emails, "sms": rule.phones}.get(channel, ()):
            yield Recipient(channel, address)


def _ways(channel: str, person: Person, messengers: Mapping[int, Sequence[int]]) -> Iterator[Recipient]:
    nowhere = f"user {person.id}"  # takes an address's place, as two without one are not the same
    if channel == "web":
        yield Recipient("web", str(person.id), person)
    elif channel == "mail":
        yield Recipient("mail", person.email, person)
    elif channel == "sms" and person.phone:
        yield Recipient("sms", person.phone, person)
    elif channel == "sms":
        yield Recipient("sms", nowhere, person, "no phone number")
    elif channel == "messenger":
        own = messengers.get(person.id, ())
        for number in own:
            yield Recipient("messenger", str(number), person)
        if not own:
            yield Recipient("messenger", nowhere, person, "no messenger")


def too_old(noticed_at: datetime, created_at: datetime, now: datetime, stale_s: float) -> bool:
    """A tracker whose clock is ahead makes nothing younger than its arrival."""
    return now - min(noticed_at, created_at) > timedelta(seconds=stale_s)


def silence(rule: Rule, person: Person | None, now: datetime) -> str | None:
    """Why this person isn't to be disturbed now, if so."""
    if person is None or person.quiet is None or rule.urgent:
        return None
    return "quiet hours" if person.quiet.contains(now) else None


def drafts(
    rules: Iterable[Rule], event: Happening, messengers: Mapping[int, Sequence[int]], *, now: datetime, stale_s: float
) -> list[Draft]:
    """The deliveries of one event: each address of each channel once, by the most urgent rule that names it."""
    found: dict[tuple[str, str], Draft] = {}
    instead: list[Draft] = []
    old = "late" if event.late else "stale" if too_old(event.noticed_at, now, now, stale_s) else None
    for rule in sorted(rules, key=lambda rule: (not rule.urgent, rule.id)):
        for to in recipients(rule, messengers):
            if (to.channel, to.address) in found:
                continue
            user_id = to.person.id if to.person else None
            if to.channel == "web":  # it is in the feed, whoever looks and whenever
                found["web", to.address] = Draft(rule.id, user_id, "web", to.address, "sent")
                continue
            hushed = old or silence(rule, to.person, now)
            reason = hushed or to.reason
            draft = Draft(rule.id, user_id, to.channel, to.address, "skipped" if reason else "waiting", reason)
            found[to.channel, to.address] = draft
            if to.reason and not hushed and to.person:
                instead.append(Draft(rule.id, user_id, "mail", to.person.email, "waiting", instead_of=draft))
    for draft in instead:  # after all others: who gets an e-mail anyway needs no second one
        found.setdefault((draft.channel, draft.address), draft)
    return list(found.values())


def unwanted(rule: Rule | None, device: Device | None, channel: str, address: str, user_id: int | None) -> str | None:
    """Why what was meant to be sent a while ago is not to be sent any more."""
    if device is None or device.disabled:
        return "device removed"
    if rule is None:
        return "rule removed"
    if channel == "webhook":
        return None if address == rule.webhook_url else "rule removed"
    if user_id is None:
        return None if address in (*rule.emails, *rule.phones) else "rule removed"
    person = next((person for person in rule.people if person.id == user_id), None)
    if person is None:
        return "rule removed"
    known = {"mail": person.email, "sms": person.phone}.get(channel, address)
    return None if address == known else "rule removed"
