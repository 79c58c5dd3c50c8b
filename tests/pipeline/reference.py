"""The stages once more, for one device and one report at a time, straight from the rules: what the vectorised are held to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from geographiclib.geodesic import Geodesic

from protocols import ALARM_BIT


@dataclass
class Report:
    """A plausible report; times in seconds."""

    time: float
    latitude: float | None = None
    longitude: float | None = None
    valid: bool = True
    speed_kmh: float | None = None
    ignition: bool | None = None
    alarm: str | None = None
    received: float | None = None  # None: some time later; the same as time: a report without a time of its own

    @property
    def clockless(self) -> bool:
        return self.received == self.time and self.latitude is None

    @property
    def good(self) -> bool:
        return self.valid and self.latitude is not None

    @property
    def mask(self) -> int:
        return ALARM_BIT[self.alarm] if self.alarm else 0


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(Geodesic.WGS84.Inverse(*a, *b)["s12"])


@dataclass
class Device:
    """Start 8 km/h, stop below 4 km/h for 120 s, limit 60 km/h with 3 km/h of tolerance, idling after 300 s."""

    newest: float | None = None
    clock: float | None = None
    received: float | None = None
    place: tuple[float, float] | None = None
    place_time: float | None = None
    total_m: float = 0.0  # without late fixes, which the store measures
    ignition: bool | None = None
    moving: bool = False
    slow_since: float | None = None
    over: bool = False
    alarm: str | None = None
    stands: bool = False
    idle_since: float | None = None
    idling: bool = False
    events: list[tuple[float, str, str]] = field(default_factory=list)

    def report(self, report: Report) -> None:
        newest = self.received if report.clockless else self.clock
        if newest is not None and report.time <= newest:
            if report.alarm:
                self.events.append((report.time, "alarm", report.alarm))
            if report.good and (self.place_time is None or report.time > self.place_time):
                self.fix(report, counted=False)
                self.idle(report.time)
            return
        if report.alarm and not (report.alarm == self.alarm and self.newest is not None and report.time - self.newest <= 600):
            self.events.append((report.time, "alarm", report.alarm))
        self.alarm = report.alarm
        self.newest, self.received = report.time, report.received
        if not report.clockless:
            self.clock = report.time
        if report.ignition is not None:
            if self.ignition is not None and report.ignition != self.ignition:
                self.events.append((report.time, "ignitionOn" if report.ignition else "ignitionOff", ""))
            self.ignition = report.ignition
        if report.good:
            self.fix(report, counted=True)
        self.idle(report.time)

    def idle(self, time: float) -> None:
        if not (self.stands and self.ignition):
            self.idle_since, self.idling = None, False
            return
        self.idle_since = time if self.idle_since is None else self.idle_since
        if time - self.idle_since >= 300 and not self.idling:
            self.idling = True
            self.events.append((self.idle_since + 300, "deviceIdle", ""))

    def fix(self, report: Report, *, counted: bool) -> None:
        assert report.latitude is not None
        assert report.longitude is not None
        here = (report.latitude, report.longitude)
        way = metres(self.place, here) if self.place else 0.0
        speed = report.speed_kmh
        if speed is None and self.place_time is not None:
            speed = way / (report.time - self.place_time) * 3.6
        self.total_m += way if counted else 0.0
        self.place, self.place_time = here, report.time
        if speed is None:
            return
        if speed < 4:
            self.stands = True
        if speed >= 8 or (counted and way > 300):
            self.stands = False
        if speed >= 4:
            self.slow_since = None
        elif self.slow_since is None:
            self.slow_since = report.time
        if speed >= 8 and not self.moving:
            self.moving = True
            self.events.append((report.time, "deviceMoving", ""))
        elif self.moving and self.slow_since is not None and report.time - self.slow_since >= 120:
            self.moving = False
            self.events.append((self.slow_since, "deviceStopped", ""))
        if speed > 60 and not self.over:
            self.over = True
            self.events.append((report.time, "deviceOverspeed", ""))
        elif speed <= 57:
            self.over = False


def event_key(event: Any) -> tuple[float, str, str]:
    return event.time.timestamp(), event.type, event.subject
