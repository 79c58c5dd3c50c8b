"""What the billing job counts. Plain numbers in the loop; turned into Prometheus metrics when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class BillingMetrics(Collector):
    def __init__(self) -> None:
        self.last_run = 0.0  # in seconds since 1970: when everything that was due had been charged last
        self.run_s = 0.0  # how long that took
        self.charged = self.blocked = 0  # trackers, by the daily run and by connections that became due
        self.warned = 0  # accounts
        self.failures = 0

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "telematics_billing_last_run_timestamp_seconds", "When all that was due had been charged last", self.last_run
        )
        yield GaugeMetricFamily("telematics_billing_run_seconds", "How long that took", self.run_s)
        yield CounterMetricFamily("telematics_billing_charged", "Charges of trackers: connections and days", self.charged)
        yield CounterMetricFamily("telematics_billing_blocked", "Trackers blocked for want of money", self.blocked)
        yield CounterMetricFamily("telematics_billing_warned", "Warnings about money to accounts", self.warned)
        yield CounterMetricFamily("telematics_billing_failures", "Rounds and accounts that ended in an error", self.failures)
