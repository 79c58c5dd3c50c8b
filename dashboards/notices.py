"""Rules, alerts and deliveries as the API gives them; pages and the socket show the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import HTTPConnection

from dashboards.identity import Viewer
from dashboards.shapes import Attributes, EventRow, Shape, from_event, instant
from telematics.alerts import wording
from telematics.alerts.channels import Fact
from telematics.alerts.matching import EVERYBODY, zone_of


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A row of `notifications.sql`."""

    id: int
    account_id: int
    name: str
    enabled: bool
    types: list[str]
    alarms: list[str]
    all_devices: bool
    zone_groups: list[str]
    hours: list[dict[str, Any]] | None
    calendar_id: int | None
    channels: list[str]
    emails: list[str]
    phones: list[str]
    webhook_url: str | None
    has_webhook_secret: bool
    urgent: bool
    cooldown_s: float
    attributes: dict[str, Any]
    device_ids: list[int]
    group_ids: list[int]
    zone_ids: list[int]
    user_ids: list[int]
    command_id: int | None


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A row of `alerts.sql`."""

    id: int
    account_id: int
    event_id: int | None
    device_id: int
    device_name: str
    time: datetime
    type: str
    subject: str
    zone_name: str | None
    position_id: int | None
    latitude: float | None
    longitude: float | None
    speed_kmh: float | None
    attributes: dict[str, Any]
    urgent: bool
    created_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    comments: int


FILTERS = ("ids", "before", "event_id", "types", "device_ids", "zone_ids", "acknowledged", "since", "until")
ANY_ALERT: dict[str, Any] = dict.fromkeys(FILTERS)  # what alerts.sql takes, none of it asked for


@dataclass(frozen=True, slots=True)
class CommentRow:
    """A row of `alert_comments.sql`."""

    id: int
    user_id: int | None
    name: str
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A row of `deliveries.sql`."""

    id: int
    alert_id: int
    rule_id: int | None
    rule_name: str | None
    user_id: int | None
    user_name: str | None
    messenger: str | None
    channel: str
    address: str
    state: str
    reason: str | None
    attempts: int
    parts: int | None
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    fallback_of: int | None
    bundled_in: int | None


class NotificationOut(Shape, frozen=True):
    id: int
    description: str
    type: str
    always: bool
    notificators: str
    calendar_id: int
    attributes: Attributes
    account_id: int  # from here on ours
    enabled: bool
    types: list[str]
    channels: list[str]
    alarms: list[str]
    all_devices: bool
    device_ids: list[int]
    group_ids: list[int]
    geofence_ids: list[int]
    geofence_groups: list[str]
    hours: list[dict[str, Any]] | None
    user_ids: list[int]
    emails: list[str]
    phones: list[str]
    webhook_url: str | None
    has_webhook_secret: bool
    urgent: bool
    cooldown_seconds: float
    command_id: int = 0


class AlertHead(Shape, frozen=True):
    """What every shape of an alert has."""

    id: int
    event_id: int  # 0: the event is gone
    device_id: int  # 0: about the account itself
    device_name: str
    time: str
    type: str
    subject: str
    geofence_id: int
    geofence_name: str | None
    position_id: int
    latitude: float | None
    longitude: float | None
    attributes: Attributes
    late: bool
    urgent: bool
    created_at: str
    acknowledged_at: str | None
    acknowledged_by: str | None
    text: str
    account_id: int


class AlertOut(AlertHead, frozen=True):
    comments: int  # how many


class ToastOut(AlertOut, frozen=True):
    """On the socket."""

    toast: bool = False


class CommentOut(Shape, frozen=True):
    id: int
    user_id: int | None
    name: str
    text: str
    created_at: str


class DeliveryOut(Shape, frozen=True):
    id: int
    alert_id: int
    rule_id: int | None
    rule_name: str | None
    user_id: int | None
    recipient: str
    channel: str
    address: str
    state: str
    reason: str | None
    attempts: int
    parts: int | None
    created_at: str
    due_at: str
    sent_at: str | None
    fallback_of: int | None
    bundled_in: int | None


class AlertDetail(AlertHead, frozen=True):
    """An alert with what was said of it and what became of it."""

    comments: list[CommentOut]
    deliveries: list[DeliveryOut]


def language_of(connection: HTTPConnection, viewer: Viewer) -> str:
    """What the viewer reads: the pages' cookie, their own setting, the browser's; of those that alerts are written in."""
    header = connection.headers.get("accept-language", "")[:200]
    browsers = [part.partition(";")[0].strip().partition("-")[0].lower() for part in header.split(",")]
    wanted = [connection.cookies.get("language"), (viewer.language or "").partition("-")[0].partition("_")[0], *browsers]
    return next((language for language in wanted if language in wording.LANGUAGES), "en")


def from_rule(row: RuleRow) -> NotificationOut:
    return NotificationOut(
        id=row.id,
        description=row.name,
        type=row.types[0],
        always=row.all_devices,
        notificators=",".join(row.channels),
        calendar_id=row.calendar_id or 0,
        attributes={**row.attributes, "alarms": ",".join(row.alarms)} if row.alarms else row.attributes,
        account_id=row.account_id,
        enabled=row.enabled,
        types=row.types,
        channels=row.channels,
        alarms=row.alarms,
        all_devices=row.all_devices,
        device_ids=row.device_ids,
        group_ids=row.group_ids,
        geofence_ids=row.zone_ids,
        geofence_groups=row.zone_groups,
        hours=row.hours,
        user_ids=row.user_ids,
        emails=row.emails,
        phones=row.phones,
        webhook_url=row.webhook_url,
        has_webhook_secret=row.has_webhook_secret,
        urgent=row.urgent,
        cooldown_seconds=row.cooldown_s,
        command_id=row.command_id or 0,
    )


def from_alert(row: AlertRow, language: str) -> AlertOut:
    event = EventRow(row.event_id or 0, row.device_id, row.time, row.type, row.subject, row.position_id, row.attributes)
    return AlertOut(
        id=row.id,
        event_id=row.event_id or 0,
        device_id=row.device_id,
        device_name=row.device_name,
        time=instant(row.time),
        type=row.type,
        subject=row.subject,
        geofence_id=zone_of(row.type, row.subject) or 0,
        geofence_name=_zone_name(row),
        position_id=row.position_id or 0,
        latitude=row.latitude,
        longitude=row.longitude,
        attributes=from_event(event, event.id).attributes,
        late=bool(row.attributes.get("late")),
        urgent=row.urgent,
        created_at=instant(row.created_at),
        acknowledged_at=instant(row.acknowledged_at) if row.acknowledged_at else None,
        acknowledged_by=row.acknowledged_by,
        comments=row.comments,
        text=wording.sentence(fact_of(row), wording.table(language)),
        account_id=row.account_id,
    )


def with_toast(alert: AlertOut, toast: bool) -> ToastOut:
    return ToastOut(**msgspec.structs.asdict(alert), toast=toast)


def detailed(alert: AlertOut, comments: list[CommentOut], deliveries: list[DeliveryOut]) -> AlertDetail:
    return AlertDetail(**{**msgspec.structs.asdict(alert), "comments": comments, "deliveries": deliveries})


def from_comment(row: CommentRow) -> CommentOut:
    return CommentOut(row.id, row.user_id, row.name, row.text, instant(row.created_at))


def from_delivery(row: DeliveryRow) -> DeliveryOut:
    address = "" if row.address in (EVERYBODY, f"user {row.user_id}") else masked(row.channel, row.address)
    if row.channel == "messenger":
        address = row.messenger or address
    return DeliveryOut(
        id=row.id,
        alert_id=row.alert_id,
        rule_id=row.rule_id,
        rule_name=row.rule_name,
        user_id=row.user_id,
        recipient=row.user_name or address,
        channel=row.channel,
        address="" if row.channel == "web" else address,
        state=row.state,
        reason=row.reason,
        attempts=row.attempts,
        parts=row.parts,
        created_at=instant(row.created_at),
        due_at=instant(row.due_at),
        sent_at=instant(row.sent_at) if row.sent_at else None,
        fallback_of=row.fallback_of,
        bundled_in=row.bundled_in,
    )


def fact_of(row: AlertRow) -> Fact:
    return Fact(
        alert_id=row.id,
        device_name=row.device_name,
        type=row.type,
        subject=row.subject,
        time=row.time,
        attributes=row.attributes,
        zone_name=_zone_name(row),
        place=None,
        latitude=row.latitude,
        longitude=row.longitude,
        speed_kmh=row.speed_kmh,
    )


def _zone_name(row: AlertRow) -> str | None:
    """As it is called now; of a zone that is gone, as it was called."""
    told = row.attributes.get("geofence")
    return row.zone_name or (told if isinstance(told, str) else None)


def masked(channel: str, address: str) -> str:
    """Enough to know it again, too little to use it."""
    if not address:
        return ""
    if channel == "mail":
        name, _, home = address.rpartition("@")
        return f"{name[:1]}…@{home}"
    if channel == "sms":
        return f"{address[:4]}…{address[-2:]}" if len(address) > 7 else "…"
    if channel == "webhook":  # what stands behind the host is often a secret
        scheme, _, rest = address.partition("://")
        host = rest.partition("/")[0].rpartition("@")[2].partition("?")[0]
        return f"{scheme}://{host}/…"
    return address
