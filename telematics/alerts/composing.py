"""What a delivery says: its alerts, those bundled with it, where that was, and for e-mail a picture of the place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog
from psycopg import AsyncConnection

from telematics.alerts import wording
from telematics.alerts.channels import Fact, Message
from telematics.alerts.matching import Person, Rule, zone_of
from telematics.store import deliveries as store
from telematics.store.deliveries import Delivery, ToldAlert
from telematics.zones.registry import Zone, Zones

log = structlog.get_logger(__name__)

Place = Callable[[float, float, str], Awaitable[str]]  # latitude, longitude, language → a name; empty where nothing is known
CALLED_AT_ONCE = 200  # alerts in one call of a webhook: some 100 kB
PATIENCE_S = 8.0  # for names and pictures: a message without them is better than none. The first name of all takes seconds


class Pictures(Protocol):
    async def of(
        self, *, device_id: int, time: datetime, latitude: float, longitude: float, outline: Any = None, language: str = "en"
    ) -> bytes | None:
        """A PNG; None where there is none."""

    def close(self) -> None:
        """No more will be asked for."""


class Composer:
    """`place` and `pictures` are what whoever starts the server hands in; without them messages are plainer."""

    def __init__(self, public_url: str | None, zones: Zones) -> None:
        self._public_url = public_url
        self._zones = zones
        self.place: Place | None = None
        self.pictures: Pictures | None = None

    async def told(self, connection: AsyncConnection[Any], delivery: Delivery) -> list[ToldAlert]:
        """What the message is about: as many alerts as it has room for. Raises LookupError when there is none any more."""
        limit = CALLED_AT_ONCE if delivery.channel == "webhook" else wording.LISTED
        told = await store.told_by(connection, delivery.id, limit)
        if not told:
            raise LookupError("the alert is gone")
        return told

    async def compose(self, delivery: Delivery, told: Sequence[ToldAlert], rule: Rule, person: Person | None) -> Message:
        language = person.language if person else rule.language
        first = told[0]
        place, picture = await asyncio.gather(
            self._named(first, language), self._drawn(first, language) if delivery.channel == "mail" else _nothing()
        )
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
        zone = self._zone(alert)
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

    def _zone(self, alert: ToldAlert) -> Zone | None:
        number = zone_of(alert.type, alert.subject)
        return None if number is None else self._zones.get(number)

    async def _named(self, alert: ToldAlert, language: str) -> str | None:
        if self.place is None or alert.latitude is None or alert.longitude is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.place(alert.latitude, alert.longitude, language) or None
        except Exception as error:
            log.warning("a place has no name", error=repr(error))
            return None

    async def _drawn(self, alert: ToldAlert, language: str) -> bytes | None:
        if self.pictures is None or alert.device_id is None or alert.latitude is None or alert.longitude is None:
            return None
        zone = self._zone(alert)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.pictures.of(
                    device_id=alert.device_id,
                    time=alert.time,
                    latitude=alert.latitude,
                    longitude=alert.longitude,
                    outline=zone.outline if zone else None,
                    language=language,
                )
        except Exception as error:
            log.warning("a place has no picture", error=repr(error))
            return None


async def _nothing() -> None:
    return None
