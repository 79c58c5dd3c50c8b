"""What a delivery says: its alerts, those bundled with it, where that was, and for e-mail a picture of the place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from telematics.alerts import wording
from telematics.alerts.channels import Fact, Message
from telematics.alerts.matching import Person, Rule, ZoneOf, zone_of
from telematics.store import deliveries as store
from telematics.store.database import Database
from telematics.store.deliveries import Delivery, ToldAlert

log = structlog.get_logger(__name__)

Place = Callable[[float, float, str], Awaitable[str]]  # latitude, longitude, language → a name; empty where nothing is known
Picture = Callable[[float, float], Awaitable[bytes | None]]
CALLED_AT_ONCE = 200  # alerts in one call of a webhook: some 100 kB
PATIENCE_S = 4.0  # for names and pictures: a message without them is better than none


class Composer:
    """`place` and `picture` are whatever whoever starts the server hands in; without them messages are plainer."""

    def __init__(self, database: Database, public_url: str | None, zone: ZoneOf) -> None:
        self._database = database
        self._public_url = public_url
        self._zone = zone
        self.place: Place | None = None
        self.picture: Picture | None = None

    async def compose(self, delivery: Delivery, rule: Rule, person: Person | None) -> Message:
        limit = CALLED_AT_ONCE if delivery.channel == "webhook" else wording.LISTED
        async with self._database.pool.connection() as connection:
            told = await store.told_by(connection, delivery.id, limit)
        if not told:
            raise LookupError("the alert is gone")
        language = person.language if person else rule.language
        first = told[0]
        picture = await self._drawn(first) if delivery.channel == "mail" else None
        place = await self._named(first, language)
        facts = [self._fact(alert, place if alert is first else None) for alert in told]
        return wording.compose(
            delivery.id,
            facts,
            more=first.of_so_many - len(told),
            language=language,
            time_zone=person.time_zone if person else rule.time_zone,
            public_url=self._public_url,
            picture=picture,
        )

    def _fact(self, alert: ToldAlert, place: str | None) -> Fact:
        number = zone_of(alert.type, alert.subject)
        zone = self._zone(number) if number is not None else None
        known = alert.attributes.get("geofence")
        return Fact(
            alert_id=alert.id,
            device_name=alert.device_name,
            type=alert.type,
            subject=alert.subject,
            time=alert.time,
            attributes=alert.attributes,
            zone_name=zone.name if zone else known if isinstance(known, str) else None,
            place=place,
            latitude=alert.latitude,
            longitude=alert.longitude,
            speed_kmh=alert.speed_kmh,
        )

    async def _named(self, alert: ToldAlert, language: str) -> str | None:
        if self.place is None or alert.latitude is None or alert.longitude is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.place(alert.latitude, alert.longitude, language) or None
        except Exception as error:
            log.warning("a place has no name", error=repr(error))
            return None

    async def _drawn(self, alert: ToldAlert) -> bytes | None:
        if self.picture is None or alert.latitude is None or alert.longitude is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.picture(alert.latitude, alert.longitude)
        except Exception as error:
            log.warning("a place has no picture", error=repr(error))
            return None
