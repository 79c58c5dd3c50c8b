"""What ingest counts. Plain integers that the hot path adds to; Prometheus reads them when it comes by.

A `Counter.inc` takes a lock and costs about as much as cutting a packet into frames does, so that a custom collector is used.
The server registers it: `prometheus_client.REGISTRY.register(metrics)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Counts:
    """One protocol's counters since the start."""

    __slots__ = ("accepted", "bytes_in", "bytes_out", "datagrams", "frames", "logins", "open", "refused")

    def __init__(self) -> None:
        self.open = 0  # connections now
        self.accepted = 0  # connections since the start
        self.datagrams = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.frames = 0  # handed to the pipeline
        self.logins = 0  # of trackers that are ours
        self.refused: dict[tuple[str, str], int] = {}  # (connection | login | frame | datagram, reason)

    def refuse(self, what: str, reason: str, count: int = 1) -> None:
        """Something was closed or dropped by our decision. `reason` is one of ours, never a tracker's bytes."""
        self.refused[what, reason] = self.refused.get((what, reason), 0) + count


COUNTERS: tuple[tuple[str, str], ...] = (  # slot of Counts and what it is
    ("accepted", "Connections accepted."),
    ("datagrams", "Datagrams received."),
    ("bytes_in", "Bytes received from trackers."),
    ("bytes_out", "Bytes written to trackers."),
    ("frames", "Frames handed to the pipeline."),
    ("logins", "Logins of known trackers."),
)
NAMES = {"accepted": "connections_accepted", "bytes_in": "received_bytes", "bytes_out": "sent_bytes"}


class IngestMetrics(Collector):
    """The counters of all protocols."""

    def __init__(self) -> None:
        self._counts: dict[str, Counts] = {}
        self.paused_s: Callable[[], float] = float  # how long sockets were not read because the intake was full; 0.0 at first

    def counts(self, protocol: str) -> Counts:
        """The protocol's counters, the same object each time."""
        return self._counts.setdefault(protocol, Counts())

    @property
    def connections(self) -> int:
        """Open connections in all."""
        return sum(counts.open for counts in self._counts.values())

    def collect(self) -> Iterable[Metric]:
        connections = GaugeMetricFamily("telematics_ingest_connections", "Open connections.", labels=["protocol"])
        refused = CounterMetricFamily(
            "telematics_ingest_refused", "What was closed or dropped, by reason.", labels=["protocol", "what", "reason"]
        )
        for protocol, counts in self._counts.items():
            connections.add_metric([protocol], counts.open)
            for (what, reason), count in counts.refused.items():
                refused.add_metric([protocol, what, reason], count)
        yield connections
        yield refused
        yield from (self._counter(slot, text) for slot, text in COUNTERS)
        yield CounterMetricFamily(
            "telematics_ingest_paused_seconds", "Time in which sockets were not read: the pipeline had no room.", self.paused_s()
        )

    def _counter(self, slot: str, text: str) -> Metric:
        family = CounterMetricFamily(f"telematics_ingest_{NAMES.get(slot, slot)}", text, labels=["protocol"])
        for protocol, counts in self._counts.items():
            family.add_metric([protocol], getattr(counts, slot))
        return family
