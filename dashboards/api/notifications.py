"""Rules of who is told what, and how: Traccar's notifications.

Each thing that Traccar writes in its own way (`type`, `always`, `notificators`, `attributes.alarms`) stands beside ours (`types`,
`allDevices`, `channels`, `alarms`). Clients send whole objects back, so what differs from what is stored is what was changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Query, Request, Response
from psycopg.errors import ForeignKeyViolation
from psycopg.types.json import Jsonb
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.parameters import LARGEST_ID, Attributes, Body, Id, Note, Paged, PathId
from dashboards.audited import Actor, Author
from dashboards.identity import Viewer
from dashboards.notices import NotificationOut, RuleRow, from_rule
from dashboards.orders import check_right
from dashboards.problems import Problem, not_found
from dashboards.shapes import Shape
from dashboards.state import Shared, State
from telematics.alerts.channels.mail import ascii_address
from telematics.alerts.channels.phones import normalised
from telematics.alerts.channels.webhook import check_secret, check_url
from telematics.alerts.matching import CHANNELS, TYPES
from telematics.hours import parse_weekly
from telematics.store import audit

router = APIRouter(prefix="/api/notifications", tags=["Notifications"])
MOST = 1_000  # rules of an account; each event of the account is held against those of its type
LONGEST_COOLDOWN_S = 30 * 86400.0
PERSONAL = ("mail", "sms", "messenger")  # channels that need somebody
Chosen = TypeVar("Chosen")


class TypeOut(Shape, frozen=True):
    type: str


def _one_of(known: Sequence[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"there is no such {what}; known are {', '.join(known)}")
        return value

    return AfterValidator(check)


def _phone(value: object) -> str:
    return normalised(value if isinstance(value, str) else "")


def _web_address(value: str) -> str:
    check_url(value)
    return value


def _secret(value: str) -> str:
    return check_secret(value) if value else ""


def _hours(value: object) -> list[dict[str, Any]] | None:
    return None if value is None else parse_weekly(value)


def _email(value: str) -> str:
    try:
        ascii_address(value)  # as it will be written to: what can't be is refused now, not found in the deliveries
    except ValueError:
        raise ValueError("write the address as name@example.com") from None
    return value


Type = Annotated[str, _one_of(TYPES, "type of event")]
ChannelName = Annotated[str, _one_of(CHANNELS, "channel")]
Alarm = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")]
Phone = Annotated[str, BeforeValidator(_phone)]
Email = Annotated[str, Field(min_length=3, max_length=254), AfterValidator(_email)]
WebAddress = Annotated[str, Field(max_length=2_000), AfterValidator(_web_address)]
Secret = Annotated[str, Field(max_length=200), AfterValidator(_secret)]
ManyIds = Annotated[list[Id], Field(max_length=1_000)]
ZoneGroup = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Notification(Body):
    """Fields that aren't sent stay as they are."""

    description: Note | None = None
    type: Type | None = None
    types: Annotated[list[Type], Field(max_length=len(TYPES))] | None = None
    always: bool | None = None
    all_devices: bool | None = None
    notificators: Annotated[str, Field(max_length=200)] | None = None
    channels: Annotated[list[ChannelName], Field(max_length=len(CHANNELS))] | None = None
    calendar_id: Annotated[int, Field(ge=0, le=LARGEST_ID)] | None = None
    attributes: Attributes | None = None
    alarms: Annotated[list[Alarm], Field(max_length=100)] | None = None
    account_id: Id | None = None
    enabled: bool | None = None
    device_ids: ManyIds | None = None
    group_ids: ManyIds | None = None
    geofence_ids: ManyIds | None = None
    geofence_groups: Annotated[list[ZoneGroup], Field(max_length=100)] | None = None
    hours: Annotated[list[dict[str, Any]] | None, BeforeValidator(_hours)] = None
    user_ids: Annotated[list[Id], Field(max_length=200)] | None = None
    emails: Annotated[list[Email], Field(max_length=20)] | None = None
    phones: Annotated[list[Phone], Field(max_length=20)] | None = None
    webhook_url: WebAddress | None = None
    webhook_secret: Secret | None = None
    urgent: bool | None = None
    cooldown_seconds: Annotated[float, Field(ge=0, le=LONGEST_COOLDOWN_S)] | None = None
    command_id: Annotated[int, Field(ge=0, le=LARGEST_ID, description="saved, and told to the device; 0: none")] | None = None


@router.get("", responses=answers.shaped(list[NotificationOut]))
async def list_notifications(
    viewer: auth.User,
    shared: Shared,
    page: Paged,
    request: Request,
    device_id: Annotated[int | None, Query(alias="deviceId", ge=1, le=LARGEST_ID)] = None,
) -> Response:
    """The account's rules, with `deviceId` those about this device; administrators get all accounts'."""
    which = {"device_id": device_id, **viewer.scope}
    total = await sql.value(shared.server.database, "notifications_count", **which)
    found = await sql.rows(shared.server.database, "notifications", RuleRow, id=None, **which, **page.sql)
    return await answers.listed(found, from_rule, page.headers(total, request))


@router.get("/types", responses=answers.shaped(list[TypeOut]))
async def types(_: auth.User) -> Response:
    """The types of events that rules may name."""
    return answers.json([TypeOut(name) for name in TYPES])


@router.get("/notificators", responses=answers.shaped(list[TypeOut]))
async def notificators(_: auth.User) -> Response:
    """The channels; which of them work here is told by a test."""
    return answers.json([TypeOut(name) for name in CHANNELS])


@router.get("/{rule_id}", responses=answers.shaped(NotificationOut))
async def get_notification(rule_id: PathId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(from_rule(await rule_seen(shared, viewer, rule_id)))


@router.post("", responses=answers.shaped(NotificationOut))
async def add_notification(new: Notification, author: Author, shared: Shared) -> Response:
    """Without `userIds` a rule by mail, SMS or messenger tells the one who makes it, and one by web alone tells everybody of the
    account."""
    return answers.json(from_rule(await create_rule(shared, author, new)))


@router.put("/{rule_id}", responses=answers.shaped(NotificationOut))
async def change_notification(rule_id: PathId, change: Notification, author: Author, shared: Shared) -> Response:
    return answers.json(from_rule(await change_rule(shared, author, rule_id, change)))


@router.delete("/{rule_id}", status_code=204, response_class=Response)
async def remove_notification(rule_id: PathId, author: Author, shared: Shared) -> Response:
    """What waits to be sent for it is not sent any more."""
    row = await rule_seen(shared, author.viewer, rule_id)
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        if not await sql.run_on(connection, "notification_remove", id=rule_id, **author.viewer.scope):
            raise not_found("notification")
        details = {"name": row.name, "types": row.types}
        await author.note(connection, "rule.removed", account_id=row.account_id, subject=subject(rule_id), details=details)
    return Response(status_code=204)


def subject(rule_id: int) -> str:
    """Of the audit log."""
    return f"rule {rule_id}"


async def rule_seen(shared: State, viewer: Viewer, rule_id: int) -> RuleRow:
    """Raises Problem 404 when there is none, or it isn't the viewer's."""
    row = await sql.row(
        shared.server.database, "notifications", RuleRow, id=rule_id, device_id=None, limit=1, offset=0, **viewer.scope
    )
    if row is None:
        raise not_found("notification")
    return row


async def create_rule(shared: State, author: Actor, new: Notification) -> RuleRow:
    """Raises Problem 400 or 404 that says what is wrong."""
    viewer = author.viewer
    account = new.account_id or viewer.account_id
    if account != viewer.account_id and not viewer.administrator:
        raise not_found("account")
    values = _merged(None, new)
    if new.user_ids is None and set(values["channels"]) & set(PERSONAL):
        values["user_ids"] = [viewer.user_id]
    return await _stored(shared, author, values, account=account, before=None)


async def change_rule(shared: State, author: Actor, rule_id: int, change: Notification) -> RuleRow:
    """Raises Problem 400 or 404 that says what is wrong."""
    before = await rule_seen(shared, author.viewer, rule_id)
    if change.account_id not in (None, before.account_id):
        raise Problem(400, "A notification stays with its account", "Make a new one there, and remove this one.")
    return await _stored(shared, author, _merged(before, change), account=before.account_id, before=before)


def _merged(before: RuleRow | None, given: Notification) -> dict[str, Any]:
    """What is to be stored: what was given, else what is stored, else what a new rule has."""

    def kept(name: str, value: Chosen | None, new: Chosen) -> Chosen:
        if value is not None:
            return value
        return getattr(before, name) if before else new

    types = _types(before, given)
    attributes = dict(kept("attributes", given.attributes, {}))
    alarms = _alarms(attributes.pop("alarms", None), before, given)
    return {
        "name": kept("name", given.description, ""),
        "enabled": kept("enabled", given.enabled, True),
        "types": types,
        "alarms": alarms,
        "all_devices": _all_devices(before, given),
        "zone_groups": _once(kept("zone_groups", given.geofence_groups, [])),
        "hours": given.hours if "hours" in given.model_fields_set else before.hours if before else None,
        "calendar_id": kept("calendar_id", given.calendar_id, None) or None,
        "command_id": kept("command_id", given.command_id, None) or None,
        "channels": _channels(before, given),
        "emails": _once(kept("emails", given.emails, [])),
        "phones": _once(kept("phones", given.phones, [])),
        "webhook_url": given.webhook_url if "webhook_url" in given.model_fields_set else before.webhook_url if before else None,
        "webhook_secret": given.webhook_secret or None,
        "keep_secret": given.webhook_secret is None,
        "urgent": kept("urgent", given.urgent, False),
        "cooldown_s": kept("cooldown_s", given.cooldown_seconds, 0.0),
        "attributes": attributes,
        "device_ids": _once(kept("device_ids", given.device_ids, [])),
        "group_ids": _once(kept("group_ids", given.group_ids, [])),
        "zone_ids": _once(kept("zone_ids", given.geofence_ids, [])),
        "user_ids": _once(kept("user_ids", given.user_ids, [])),
    }


def _changed(ours: Chosen | None, theirs: Chosen | None, stored: Chosen | None) -> Chosen | None:
    """Of two ways to say the same the one that says something new."""
    for said in (ours, theirs):
        if said is not None and said != stored:
            return said
    return stored if stored is not None else ours if ours is not None else theirs


def _types(before: RuleRow | None, given: Notification) -> list[str]:
    stored = before.types if before else None
    theirs = [given.type] if given.type and not (stored and given.type == stored[0]) else stored
    found = _once(_changed(given.types, theirs, stored) or [])
    if not found:
        raise Problem(400, "Which events?", "Name at least one of /api/notifications/types in `types` (or `type`).")
    return found


def _channels(before: RuleRow | None, given: Notification) -> list[str]:
    named = None if given.notificators is None else [name.strip() for name in given.notificators.split(",") if name.strip()]
    for name in named or ():
        if name not in CHANNELS:
            raise Problem(400, "There is no such channel", f"notificators: known are {', '.join(CHANNELS)}.")
    stored = before.channels if before else None
    return _once(_changed(given.channels, named, stored) or ["web"])


def _alarms(theirs: object, before: RuleRow | None, given: Notification) -> list[str]:
    words = [word.strip() for word in theirs.split(",") if word.strip()] if isinstance(theirs, str) else None
    if words is None and given.attributes is not None and before:  # the attributes are sent without them
        words = []
    if any(not re.fullmatch(r"[A-Za-z0-9_]{1,64}", word) for word in words or ()) or len(words or ()) > 100:
        raise Problem(400, "There are no such alarms", "attributes.alarms: write names such as sos,powerCut.")
    return _once(_changed(given.alarms, words, before.alarms if before else None) or [])


def _all_devices(before: RuleRow | None, given: Notification) -> bool:
    """A new rule that says neither and names none is about all."""
    told = _changed(given.all_devices, given.always, before.all_devices if before else None)
    return not (given.device_ids or given.group_ids) if told is None else told


def _once(values: Sequence[Chosen]) -> list[Chosen]:
    return list(dict.fromkeys(values))


def _check_recipients(values: Mapping[str, Any]) -> None:
    """A rule that could tell nobody is a mistake that would be noticed too late."""
    for channel in values["channels"]:
        if channel == "webhook" and not values["webhook_url"]:
            raise Problem(400, "Where does the webhook go?", "Give its address as webhookUrl.")
        beside = {"mail": "emails", "sms": "phones"}.get(channel)
        if channel in PERSONAL and not values["user_ids"] and not (beside and values[beside]):
            raise Problem(400, f"Nobody would be told by {channel}", f"Name userIds{f' or {beside}' if beside else ''}.")


class _Names(msgspec.Struct, frozen=True):
    """A row of `notification_names.sql`."""

    devices: bool
    groups: bool
    geofences: bool
    users: bool
    calendar: bool
    command: bool


async def _stored(shared: State, author: Actor, values: dict[str, Any], *, account: int, before: RuleRow | None) -> RuleRow:
    viewer = author.viewer
    _check_recipients(values)
    if values["command_id"] or (before is not None and before.command_id):  # whoever says when it is sent, sends it
        check_right(viewer, saved=True)
    named_before = before.user_ids if before else []
    row = {
        **values,
        "hours": None if values["hours"] is None else Jsonb(values["hours"]),
        "attributes": Jsonb(values["attributes"]),
    }
    try:
        async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
            names = {
                name: values[name] for name in ("device_ids", "group_ids", "zone_ids", "user_ids", "calendar_id", "command_id")
            }
            names |= {"account": account, "named_before": named_before, "everything": viewer.administrator}
            (known,) = await sql.rows_on(connection, "notification_names", _Names, **names)
            for what in known.__struct_fields__:
                if not getattr(known, what):
                    raise not_found(what.removesuffix("s"))
            if before is None:
                saved = await connection.execute(sql.text("notification_add"), {**row, "account": account, "most": MOST})
            else:
                saved = await connection.execute(sql.text("notification_change"), {**row, "id": before.id, **viewer.scope})
            found = await saved.fetchone()
            if found is None and before is None:
                raise Problem(400, "Too many notifications", f"An account may have {MOST}: remove some that are not needed.")
            if found is None:
                raise not_found("notification")
            await connection.execute(sql.text("notification_links"), {**values, "id": found[0]})
            action, details = ("rule.added" if before is None else "rule.changed"), _told(before, values)
            await author.note(connection, action, account_id=account, subject=subject(found[0]), details=details)
    except ForeignKeyViolation:  # it went away meanwhile
        raise Problem(404, "Something it names is gone", "Load the page again, and name what is there.") from None
    return await rule_seen(shared, viewer, found[0])


def _told(before: RuleRow | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """What is new, for the audit log; of addresses and secrets no more than that they are."""
    names = RuleRow.__dataclass_fields__.keys() & values.keys()
    return audit.changed({name: getattr(before, name, None) for name in names}, {name: values[name] for name in names})
