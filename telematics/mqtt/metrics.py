"""What MQTT counts. Plain integers; Prometheus reads them when it comes by."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from telematics.mqtt.client import Link

STRANGER, UNASKED, RETAINED, OURS = "unknown tracker", "no such source", "retained", "our own"  # reasons, never a tracker's bytes


class MqttMetrics(Collector):
    """Nothing is told where MQTT isn't set up."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}  # by direction: in, out
        self.received = 0
        self.dead = 0
        self.published = 0
        self.refused = 0
        self.dropped: dict[str, int] = {}

    def drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def collect(self) -> Iterable[Metric]:
        if not self.links:
            return
        connected = GaugeMetricFamily("telematics_mqtt_connected", "Whether there is a connection.", labels=["direction"])
        for direction, link in self.links.items():
            connected.add_metric([direction], float(link.client is not None))
        yield connected
        yield CounterMetricFamily("telematics_mqtt_received", "Messages that the broker gave us.", self.received)
        yield CounterMetricFamily("telematics_mqtt_dead", "Messages that became dead letters.", self.dead)
        yield CounterMetricFamily("telematics_mqtt_published", "Messages that the broker took from us.", self.published)
        yield CounterMetricFamily("telematics_mqtt_refused", "Messages of ours that the broker would not take.", self.refused)
        dropped = CounterMetricFamily(
            "telematics_mqtt_dropped",
            "Messages that were acknowledged and not kept.",
            labels=["reason"],
        )
        for reason, count in self.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
        client = self.links["in"].client if "in" in self.links else None
        waiting = {} if client is None else client.unacknowledged
        yield GaugeMetricFamily("telematics_mqtt_unacknowledged", "Messages that wait for their commit.", float(len(waiting)))
        oldest = next(iter(waiting.values()), None)
        yield GaugeMetricFamily(
            "telematics_mqtt_lag_seconds",
            "How long the oldest of them waits.",
            0.0 if oldest is None else time.monotonic() - oldest,
        )
