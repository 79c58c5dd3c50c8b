"""What the pipeline counts. Plain numbers in the loop; turned into Prometheus metrics when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from telematics.ingest.batch import Entry
from telematics.pipeline.decoding import Intaken
from telematics.pipeline.stages import Outcome

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Histogram:
    """Counts by bucket, as Prometheus wants them, without its locks."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += times
        self.sum += seconds * times

    def family(self, name: str, documentation: str) -> HistogramMetricFamily:
        buckets, total = [], 0
        for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], self.counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=self.sum)


class PipelineMetrics(Collector):
    def __init__(self) -> None:
        self.packets: Counter[str] = Counter()
        self.positions = self.repeats = self.late = self.outliers = self.refused = 0
        self.dead_letters = self.batches = self.blocked = 0
        self.events: Counter[str] = Counter()
        self.stage_time = Histogram()
        self.commit_time = Histogram()
        self.ack_time = Histogram()

    def staged(self, entries: Sequence[Entry], taken: Intaken, outcome: Outcome, dead_letters: int, seconds: float) -> None:
        for entry in entries:
            self.packets[entry.source.codec.name] += len(entry.frames)
        self.late += int(outcome.rows.late.sum())
        self.outliers += int(outcome.rows.outlier.sum())
        self.refused += len(outcome.refused)
        self.dead_letters += dead_letters
        self.events.update(event.type for event in outcome.events)
        self.stage_time.observe(seconds)

    def committed(self, rows: int, seconds: float) -> None:
        self.batches += 1
        self.positions += rows
        self.commit_time.observe(seconds)

    def acknowledged(self, seconds: float, frames: int) -> None:
        self.ack_time.observe(seconds, frames)

    def collect(self) -> Iterator[Metric]:
        packets = CounterMetricFamily("telematics_packets", "Frames that were cut out whole, by protocol", labels=["protocol"])
        for protocol, count in self.packets.items():
            packets.add_metric([protocol], count)
        yield packets
        events = CounterMetricFamily("telematics_events", "Events raised by the stages, by type", labels=["type"])
        for name, count in self.events.items():
            events.add_metric([name], count)
        yield events
        yield CounterMetricFamily("telematics_positions", "Positions committed, repeats among them", value=self.positions)
        yield CounterMetricFamily("telematics_positions_late", "Positions older than their device's newest", value=self.late)
        yield CounterMetricFamily("telematics_positions_repeated", "Late positions that were stored already", value=self.repeats)
        yield CounterMetricFamily("telematics_positions_outliers", "Positions that can't be believed", value=self.outliers)
        yield CounterMetricFamily("telematics_positions_refused", "Reports from an impossible place or time", value=self.refused)
        yield CounterMetricFamily("telematics_positions_blocked", "Reports of blocked trackers, not kept", value=self.blocked)
        yield CounterMetricFamily("telematics_dead_letters", "Frames set aside with a reason", value=self.dead_letters)
        yield CounterMetricFamily("telematics_batches", "Batches committed", value=self.batches)
        yield self.stage_time.family("telematics_stage_seconds", "Time to decode a batch and run its stages")
        yield self.commit_time.family("telematics_commit_seconds", "Time to commit a batch")
        yield self.ack_time.family("telematics_ack_seconds", "Time from a frame's arrival to its acknowledgement")
