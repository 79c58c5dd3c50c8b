"""flespi's stream of one tracker's messages (layout: `protocols/flespi.py`; written apart from it)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from telematics.simulator import osmand
from telematics.simulator.fix import Fix
from telematics.simulator.owntracks import post

EVENTS = {
    "general": "alarm.event.trigger",
    "tow": "towing.event.trigger",
    "geofenceEnter": "geofence.event.enter",
    "geofenceExit": "geofence.event.exit",
    "vibration": "shock.event.trigger",
    "overspeed": "overspeeding.event.trigger",
    "hardAcceleration": "harsh.acceleration.event.trigger",
    "hardBraking": "harsh.braking.event.trigger",
    "hardCornering": "harsh.cornering.event.trigger",
    "jamming": "gsm.jamming.event.trigger",
}


class Tracker(osmand.Tracker):
    def __init__(self, unique_id: str) -> None:
        super().__init__(unique_id)
        self._lists: deque[int] = deque()  # how many messages were in each request without an answer

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """One request, whatever there is to say."""
        self._unanswered += 1
        self._lists.append(len(fixes))
        return post([self._message(fix) for fix in fixes])

    def _answered(self) -> int:
        count = self._lists.popleft()
        return super()._answered() * count

    def _message(self, fix: Fix) -> dict[str, Any]:
        told = {
            "ident": self.unique_id,
            "timestamp": fix.time.timestamp(),
            "position.latitude": round(fix.latitude, 7),
            "position.longitude": round(fix.longitude, 7),
            "position.altitude": fix.altitude_m,
            "position.speed": fix.speed_kmh,
            "position.direction": fix.course_deg,
            "position.satellites": fix.satellites,
            "position.valid": True,
            "engine.ignition.status": fix.ignition,
            "external.powersource.voltage": fix.power_v,
            "battery.level": fix.battery_percent,
            "gsm.signal.level": fix.gsm,
            "vehicle.mileage": fix.odometer_m / 1000,
        }
        if fix.alarm in EVENTS:
            told[EVENTS[fix.alarm]] = True
        return told
