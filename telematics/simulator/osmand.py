"""A phone that reports as OsmAnd and Traccar Client do (the layout is told in `protocols/osmand.py`; written apart from it)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import h11

from telematics.simulator.fix import Fix

KNOTS_PER_KMH = 1000 / 1852


class Tracker:
    def __init__(self, unique_id: str) -> None:
        self.unique_id = unique_id
        self.accepted: bool | None = True  # nobody logs in over HTTP; a 404 says that the server doesn't know us
        self._unanswered = 0
        self._http = h11.Connection(h11.CLIENT)
        self._status = 0

    def hello(self) -> bytes:
        return b""

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """One request per fix, pipelined when there are several."""
        self._unanswered += len(fixes)
        return b"".join(f"GET /?{self._query(fix)} HTTP/1.1\r\nHost: telematics\r\n\r\n".encode() for fix in fixes)

    def receive(self, data: bytes) -> int:
        """Count the 200s. h11 reads one response per request that it has seen going out, so each is shown to it in its turn."""
        if data and self._unanswered:
            self._http.receive_data(data)
        stored = 0
        while self._unanswered:
            if self._http.our_state is h11.IDLE:
                self._http.send(h11.Request(method="GET", target="/", headers=[("Host", "telematics")]))
                self._http.send(h11.EndOfMessage())
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:  # no HTTP server: nothing of it counts
                self._unanswered = 0
                break
            if isinstance(event, h11.Response):
                self._status = event.status_code
            elif isinstance(event, h11.EndOfMessage):
                stored += self._answered()
            elif not isinstance(event, h11.Data):
                break  # there is no more, or the connection has ended
        return stored

    def _answered(self) -> int:
        self._unanswered -= 1
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self._unanswered = 0  # the server hangs up: the rest won't be answered on this connection
        if self._status == 404:
            self.accepted = False
        return int(self._status == 200)

    def _query(self, fix: Fix) -> str:
        told: dict[str, object] = {
            "id": self.unique_id,
            "timestamp": round(fix.time.timestamp() * 1000),
            "lat": f"{fix.latitude:.7f}",
            "lon": f"{fix.longitude:.7f}",
            "altitude": f"{fix.altitude_m:.1f}",
            "speed": f"{fix.speed_kmh * KNOTS_PER_KMH:.4f}",
            "bearing": f"{fix.course_deg:.1f}",
            "batt": fix.battery_percent,
            "sat": fix.satellites,
            "ignition": str(fix.ignition).lower(),
            "power": f"{fix.power_v:.3f}",
            "rssi": fix.gsm,
            "odometer": fix.odometer_m,
        }
        if fix.alarm:
            told["alarm"] = fix.alarm
        return urlencode(told)
