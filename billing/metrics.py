"""What the billing job counts. Plain numbers in the loop; turned into Prometheus metrics when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class BillingMetrics(Collector):
    def __init__(self) -> None:
        self.last_run = 0.0  # in seconds since 1970: when everything that was due had been charged last
        self.run_s = 0.0  # how long that took
        self.left = 0  # days of accounts that somebody else had locked all the while
        self.days = self.charged = self.blocked = 0  # of accounts; of their trackers
        self.settled = 0  # accounts
        self.warned = 0
        self.failures = 0

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "telematics_billing_last_run_timestamp_seconds", "When all that was due had been charged last", self.last_run
        )
        yield GaugeMetricFamily("telematics_billing_run_seconds", "How long the last run took", self.run_s)
        yield GaugeMetricFamily("telematics_billing_days_left", "Days of accounts that it could not charge", self.left)
        yield CounterMetricFamily("telematics_billing_days", "Days of accounts that were charged", self.days)
        yield CounterMetricFamily("telematics_billing_charged", "Trackers charged for a day", self.charged)
        yield CounterMetricFamily("telematics_billing_blocked", "Trackers that a day could not be paid for", self.blocked)
        yield CounterMetricFamily("telematics_billing_settled", "Accounts whose new trackers were paid for", self.settled)
        yield CounterMetricFamily("telematics_billing_warned", "Warnings to accounts", self.warned)
        yield CounterMetricFamily("telematics_billing_failures", "Work that ended in an error and is done again", self.failures)
