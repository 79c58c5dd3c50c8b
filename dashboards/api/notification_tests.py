"""Trying notifications out: a test message to oneself, and what a message would say."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.devices import device_of
from dashboards.api.notifications import Alarm, Type, rule_seen
from dashboards.api.parameters import LARGEST_ID, Body, Id
from dashboards.identity import Viewer
from dashboards.notices import language_of, masked
from dashboards.problems import Problem, not_found
from dashboards.shapes import Shape
from dashboards.state import Shared, State
from telematics.alerts import wording
from telematics.alerts.channels import Fact
from telematics.alerts.channels.gsm import count_parts
from telematics.alerts.matching import CHANNELS, Person
from telematics.alerts.service import Tested, TooManyTests

router = APIRouter(prefix="/api/notifications", tags=["Notifications"])
PATIENCE_S = 1.5

# What an event of each type would tell, with round numbers
SAMPLES: dict[str, dict[str, Any]] = {
    "deviceOverspeed": {"speed_kmh": 95.0, "limit_kmh": 80.0},
    "deviceInactive": {"inactive_s": 86_400},
    "deviceIdle": {"idle_s": 600},
    "deviceFuelDrop": {"fuel_before_l": 120.0, "fuel_after_l": 85.0},
    "deviceFuelIncrease": {"fuel_before_l": 40.0, "fuel_after_l": 160.0},
    "powerLost": {"power_v": 0.4},
    "powerRestored": {"power_v": 13.8},
    "batteryLow": {"battery_percent": 15.0},
    "geofenceDwell": {"dwell_s": 1_800},
    "commandResult": {"command": "engineStop", "state": "answered", "result": "OK"},
    "proximityEnter": {"partner": 1, "partner_name": "Truck 2", "distance_m": 800.0, "proximity": "Truck 2"},
    "proximityExit": {"partner": 1, "partner_name": "Truck 2", "distance_m": 2_400.0, "proximity": "Truck 2"},
}


class TestedOut(Shape, frozen=True):
    channel: str
    address: str
    state: str
    reason: str | None


class PreviewOut(Shape, frozen=True):
    subject: str
    text: str
    short: str
    parts: int  # that `short` takes as an SMS
    html: str | None


class Preview(Body):
    type: Type
    language: Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}([-_][a-zA-Z]{2,4})?$")] | None = None
    device_id: Id | None = None
    geofence_id: Id | None = None
    alarm: Alarm | None = None


@router.post("/test", responses=answers.shaped(list[TestedOut]))
async def try_all(viewer: auth.Editor, shared: Shared) -> Response:
    """A test message to the one who asks, by each channel that a person has."""
    person = await _person(shared, viewer)
    return _answer([await _tested(shared, person, channel) for channel in CHANNELS if channel != "webhook"])


@router.post("/test/{notificator}", responses=answers.shaped(list[TestedOut]))
async def try_one(
    notificator: str,
    viewer: auth.Editor,
    shared: Shared,
    rule_id: Annotated[int | None, Query(alias="id", ge=1, le=LARGEST_ID)] = None,
) -> Response:
    """By one channel. A webhook is a rule's: `id` says which."""
    if notificator not in CHANNELS:
        raise Problem(404, "There is no such channel", f"Known are {', '.join(CHANNELS)}.")
    person = await _person(shared, viewer)
    if notificator != "webhook":
        return _answer([await _tested(shared, person, notificator)])
    if rule_id is None:
        raise Problem(400, "Which webhook?", "Name the notification as id, such as ?id=5.")
    rule = await rule_seen(shared, viewer, rule_id)
    if rule.webhook_url is None:
        raise Problem(400, "It has no webhook", "Give the notification a webhookUrl first.")
    secret = await sql.value(shared.server.database, "notification_secret", id=rule_id, **viewer.scope)
    try:
        tested = await shared.server.alerts.test_webhook(person, rule.webhook_url, secret)
    except TooManyTests as error:
        raise Problem(429, "Too many test messages", str(error)) from None
    return _answer([[tested]])


@router.post("/preview", responses=answers.shaped(PreviewOut))
async def preview(asked: Preview, request: Request, viewer: auth.Editor, shared: Shared) -> Response:
    """What a message about such an event would say just now."""
    language = asked.language or language_of(request, viewer)
    person = await _person(shared, viewer)
    device = await device_of(shared, viewer, asked.device_id, with_blocked=True) if asked.device_id else None
    zone = None
    if asked.geofence_id and (zone := await sql.value(
        shared.server.database, "zone_name", id=asked.geofence_id, **viewer.scope
    )) is None:  # fmt: skip
        raise not_found("geofence")
    latest = next(iter(shared.server.latest([device.id] if device and not device.blocked else [])), None)
    place = None
    with suppress(TimeoutError):  # a preview without a name of the place is better than a late one
        async with asyncio.timeout(PATIENCE_S):
            place = await shared.geocoder.name(latest.latitude, latest.longitude, language) if latest else None
    fact = Fact(
        alert_id=0,
        device_name=device.name if device else "Truck 1",
        type=asked.type,
        subject=asked.alarm or "sos" if asked.type == "alarm" else str(asked.geofence_id or ""),
        time=datetime.now(UTC),
        attributes=SAMPLES.get(asked.type, {}),
        zone_name=zone or ("Depot" if asked.type.startswith("geofence") else None),
        place=place or None,
        latitude=latest.latitude if latest else None,
        longitude=latest.longitude if latest else None,
        speed_kmh=latest.speed_kmh if latest else None,
    )
    message = wording.compose(
        0,
        [fact],
        more=0,
        language=language,
        time_zone=person.time_zone,
        public_url=shared.server.settings.public_url,
        picture=None,
    )
    return answers.json(PreviewOut(message.subject, message.text, message.short, count_parts(message.short), message.html))


async def _person(shared: State, viewer: Viewer) -> Person:
    person = await sql.row(shared.server.database, "notification_person", Person, user_id=viewer.user_id)
    if person is None:
        raise not_found("user")
    return person


async def _tested(shared: State, person: Person, channel: str) -> list[Tested]:
    try:
        return await shared.server.alerts.test(person, channel)
    except TooManyTests as error:
        raise Problem(429, "Too many test messages", str(error)) from None


def _answer(tested: list[list[Tested]]) -> Response:
    shown = [replace(one, address=masked(one.channel, one.address)) for some in tested for one in some]
    return answers.json([TestedOut(one.channel, one.address, one.state, one.reason) for one in shown])
