"""What the alerts count. Plain numbers in the loop; turned into Prometheus metrics when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)


class AlertMetrics(Collector):
    def __init__(self) -> None:
        self.outbox_rows = 0
        self.outbox_age_s = 0.0
        self.events = self.alerts = 0  # taken from the outbox; of them those that a rule asked for
        self.deliveries: Counter[tuple[str, str]] = Counter()  # by channel and the state it ended in, or came back to
        self.under_way: Counter[str] = Counter()
        self._counts: dict[str, list[int]] = {}
        self._sums: Counter[str] = Counter()

    def sent(self, channel: str, seconds: float) -> None:
        """So long after its event."""
        counts = self._counts.setdefault(channel, [0] * (len(BUCKETS_S) + 1))
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._sums[channel] += max(0, round(seconds))

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("telematics_outbox_rows", "Events that rules have not been asked about yet", self.outbox_rows)
        yield GaugeMetricFamily("telematics_outbox_age_seconds", "Age of the oldest of them", self.outbox_age_s)
        yield CounterMetricFamily("telematics_outbox_events", "Events that rules were asked about", self.events)
        yield CounterMetricFamily("telematics_alerts", "Events that a rule asked for", self.alerts)
        deliveries = CounterMetricFamily(
            "telematics_deliveries", "What became of deliveries, and of their tries", labels=["channel", "state"]
        )
        for (channel, state), count in self.deliveries.items():
            deliveries.add_metric([channel, state], count)
        yield deliveries
        under_way = GaugeMetricFamily("telematics_deliveries_under_way", "Being sent now", labels=["channel"])
        for channel, count in self.under_way.items():
            under_way.add_metric([channel], count)
        yield under_way
        lag = HistogramMetricFamily("telematics_alert_seconds", "From the event to the message's leaving", labels=["channel"])
        for channel, counts in self._counts.items():
            buckets, total = [], 0
            for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            lag.add_metric([channel], buckets, self._sums[channel])
        yield lag
