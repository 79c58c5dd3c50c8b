"""A phone, or a gateway's tracker, that reports as OwnTracks does (layout: `protocols/owntracks.py`; written apart from it)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from telematics.simulator import osmand
from telematics.simulator.fix import Fix

TRIGGERS: dict[str, dict[str, Any]] = {  # the alarms that it has letters for
    "lowBattery": {"t": "9"},
    "powerOn": {"t": "1"},
    "powerRestored": {"t": "E"},
    "powerCut": {"t": "e"},
    "tow": {"t": "!"},
    "overspeed": {"t": "s"},
    "hardBraking": {"t": "h", "rty": 0},
    "hardAcceleration": {"t": "h", "rty": 1},
    "hardCornering": {"t": "h", "rty": 2},
}


class Tracker(osmand.Tracker):
    def report(self, fixes: Sequence[Fix]) -> bytes:
        """One request per fix, pipelined when there are several."""
        self._unanswered += len(fixes)
        return b"".join(post(self._message(fix)) for fix in fixes)

    def _message(self, fix: Fix) -> dict[str, Any]:
        return {
            "_type": "location",
            "topic": self.unique_id.replace("-", "/", 2) if self.unique_id.startswith("owntracks-") else self.unique_id,
            "tid": self.unique_id[-2:],
            "tst": round(fix.time.timestamp()),
            "lat": round(fix.latitude, 7),
            "lon": round(fix.longitude, 7),
            "alt": round(fix.altitude_m),
            "vel": round(fix.speed_kmh),
            "cog": round(fix.course_deg) % 360,
            "batt": fix.battery_percent,
            "ign": fix.ignition,
            "uext": fix.power_v,
            "odometer": fix.odometer_m / 1000,
            **TRIGGERS.get(fix.alarm or "", {"t": "t"}),
        }


def post(message: Any) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode()
    return b"POST / HTTP/1.1\r\nHost: telematics\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )
