"""What Prometheus is told of commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from telematics.downlink.service import Downlink


class CommandMetrics(Collector):
    def __init__(self, downlink: Downlink) -> None:
        self._downlink = downlink
        self._counts = Counter[str]()

    def count(self, state: str) -> None:
        self._counts[state] += 1

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("telematics_commands_waiting", "Commands that wait for their tracker or its answer")
        waiting.add_metric([], self._downlink.waiting)
        yield waiting
        ended = CounterMetricFamily("telematics_commands", "Commands, by what became of them", labels=["state"])
        for state in ("sent", "answered", "failed"):
            ended.add_metric([state], self._counts[state])
        yield ended
