"""The loop of the pipeline: take a batch, decode, run the stages, commit, acknowledge, tell whoever looks.

While one batch is being committed the next is decoded and run through the stages, so that the database and this process work at
the same time; there are never more than these two. A batch that the database can't take now is tried again until it can: nothing
is acknowledged meanwhile, the intake fills, and sockets are no longer read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import structlog
from numpy.typing import NDArray

from telematics.config import Settings
from telematics.devices import Devices
from telematics.ingest.batch import Entry, Intake
from telematics.ingest.batch import dead_letter as reject_letter
from telematics.live import Bus
from telematics.pipeline.decoding import Intaken, decode, refusals
from telematics.pipeline.metrics import PipelineMetrics
from telematics.pipeline.saving import Days, Saver
from telematics.pipeline.stages import Outcome, Refused, Reports, Stages
from telematics.pipeline.state import OFFLINE, ONLINE, State, instant
from telematics.pipeline.zonekeeper import ZoneKeeper
from telematics.store.database import Database
from telematics.store.errors import StoreBusy
from telematics.store.records import Batch, Committed, DeadLetter, Event, PairNews, Rows
from telematics.store.writer import Writer

log = structlog.get_logger()
BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # between tries of a commit; the last one for as long as it takes
TICK_S = 1.0  # how often silence is looked at
SLOW_S = 10.0  # an answer of the database that takes longer is trouble
DEAF_S = 5.0  # a tick that comes so late: we didn't listen meanwhile


@dataclass(slots=True)
class Work:
    """A batch on its way to the database and back."""

    entries: list[Entry]
    taken: Intaken
    outcome: Outcome
    batch: Batch
    changed: list[int]  # device ids whose status changed
    news: list[Event] = field(default_factory=list)  # events that were not stored before


class Worker:
    def __init__(
        self, settings: Settings, database: Database, writer: Writer, intake: Intake, devices: Devices, state: State, bus: Bus
    ) -> None:
        self._offline = np.timedelta64(int(settings.motion.offline_s * 1000), "ms")
        self._database = database
        self._writer = writer
        self._intake = intake
        self._devices = devices
        self._state = state
        self._bus = bus
        self.stages = Stages(settings.sanity, settings.motion, settings.conditions, settings.zones)
        self.zones = ZoneKeeper(self.stages.geofences, state)
        self.days = Days()
        self.saver = Saver(database, state, self.days, every_s=settings.snapshot_s)
        self.metrics = PipelineMetrics()
        self.told: Callable[[], None] = lambda: None  # called when events were stored
        self.trouble: str | None = None  # why the database takes nothing now
        self.last_commit = time.monotonic()
        self.watermark = 0  # id of the newest position in the state
        self._beside: tuple[list[Event], PairNews] | None = None  # what goes with the next batch
        self._stopping = False
        self._asked: list[float] = []  # since when the database owes answers
        self._commit: asyncio.Task[None] | None = None
        self._last_tick = time.monotonic()
        self._zones_tick = 0.0
        self._listening_since: np.datetime64 = np.datetime64(int(time.time() * 1000), "ms")  # nobody could be heard before

    async def run(self) -> None:
        """Until `stop`; then what was taken is committed and acknowledged, and the state saved."""
        try:
            while not self._stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._intake.wait()
                work = await self._prepare()
                await self._committed()
                if work is not None:
                    self._commit = asyncio.create_task(self._store(work))
                if self.saver.due:
                    await self._committed()  # a snapshot must not be ahead of what is stored
                    self.saver.start(self.watermark)
            await self._committed()
            await self.saver.finish(self.watermark)
        finally:
            self.saver.cancel()

    def stop(self) -> None:
        """Take no more batches."""
        self._stopping = True

    @property
    def ready(self) -> bool:
        """Whether what was offered last was taken."""
        return self._beside is None

    def offer(self, events: list[Event], pairs: PairNews) -> None:
        """What was found beside the batches; it is stored with the next one."""
        self._beside = events, pairs

    @property
    def held_up(self) -> str | None:
        """Why nothing is stored now, if that is so."""
        waited_s = time.monotonic() - min(self._asked) if self._asked else 0
        if self.trouble is None and waited_s > SLOW_S:
            return f"the database has not answered for {waited_s:.0f} s"
        return self.trouble

    @contextmanager
    def _asking(self) -> Iterator[None]:
        self._asked.append(since := time.monotonic())
        try:
            yield
        finally:
            self._asked.remove(since)

    async def _committed(self) -> None:
        if self._commit is not None:
            await self._commit
            self._commit = None

    async def _prepare(self) -> Work | None:
        """The next batch, through the stages. None when there is nothing to store."""
        now = datetime.now(UTC)
        entries, rejects, heard = self._intake.take()
        up_to_date = not self._intake.waiting_frames  # all that was said until `now` is in this batch or was in those before
        started = time.perf_counter()
        taken = decode(entries)
        count = len(taken.reports.slot)
        first_id = await self._ids(count) if count else 0
        taken.reports = self._present(taken.reports)
        outcome = self._staged(taken, first_id)
        if len(outcome.rows):
            self.watermark = first_id + len(outcome.rows) - 1
        self.days.add(outcome)
        events, changed = self._statuses(heard | {entry.device.slot for entry in entries if entry.device is not None})
        if up_to_date and time.monotonic() >= self._zones_tick + TICK_S:
            self._zones_tick = time.monotonic()
            events += self.zones.tick(now)
        dead_letters = self._kept(
            [reject_letter(reject) for reject in rejects] + taken.dead_letters + refusals(taken, entries, outcome.refused)
        )
        self.metrics.staged(entries, taken, outcome, len(dead_letters), time.perf_counter() - started)
        beside, self._beside = self._beside, None
        if beside is not None:
            events += beside[0]
        elif not (entries or events or dead_letters):
            return None
        return Work(
            entries, taken, outcome, Batch(outcome.rows, events + outcome.events, dead_letters, beside and beside[1]), changed
        )

    def _present(self, reports: Reports) -> Reports:
        """Without those of devices that were removed while their frames waited, or that are blocked."""
        blocked = self._state.blocked[reports.slot]
        gone = blocked | (self._state.device_id[reports.slot] == 0)
        if not gone.any():
            return reports
        self.metrics.blocked += int(blocked.sum())
        return reports.take(np.flatnonzero(~gone))

    def _kept(self, dead_letters: list[DeadLetter]) -> list[DeadLetter]:
        """Of a blocked device nothing is."""
        return [letter for letter in dead_letters if letter.device_id is None or not self._is_blocked(letter.device_id)]

    def _is_blocked(self, device_id: int) -> bool:
        device = self._devices.get(device_id)
        return device is not None and device.blocked is not None

    def _staged(self, taken: Intaken, first_id: int) -> Outcome:
        """The stages never fail; should they, the batch is kept as dead letters, and the next one goes on."""
        try:
            return self.stages.run(taken.reports, self._state, first_id)
        except Exception as error:
            log.exception("the stages failed; the batch is set aside", frames=len(taken.frames))
            nothing = Outcome(Rows.none(), np.zeros(0, "i4"))
            nothing.refused = [
                Refused(frame, slot, f"the stages failed: {error!r}")
                for frame, slot in zip(taken.reports.columns.frame.tolist(), taken.reports.slot.tolist(), strict=True)
            ]
            return nothing

    async def _ids(self, count: int) -> int:
        """The first of so many ids, however long it takes."""
        tries = 0
        while True:
            try:
                with self._asking():
                    return await self._writer.next_ids(count)
            except StoreBusy as busy:
                await self._wait(busy, tries)
                tries += 1

    async def _store(self, work: Work) -> None:
        started, tries = time.monotonic(), 0
        batch = work.batch
        while len(batch.rows) or batch.events or batch.dead_letters or batch.pairs:
            try:
                with self._asking():
                    committed = await self._writer.commit(batch)
            except StoreBusy as busy:
                await self._wait(busy, tries)
                tries += 1
                continue
            self._settle(work, committed)
            break
        if self.trouble is not None:
            log.info("the database takes batches again")
        self.trouble = None
        self.last_commit = time.monotonic()
        self.metrics.committed(len(batch.rows), self.last_commit - started)
        self._acknowledge(work)
        if len(self._bus):
            moved = np.unique(work.outcome.rows.device_id[work.outcome.news])
            self._bus.publish(positions=moved.tolist(), devices=work.changed, events=work.news)
        if work.news:
            self.told()

    def _settle(self, work: Work, committed: Committed) -> None:
        """What only the store could know: how late rows changed distances, which rows and events were there before."""
        for device_id, metres in committed.late_distance.items():
            device = self._devices.get(device_id)
            if device is not None:
                self._state.total_m[device.slot] += metres
        again = committed.stored_before
        if len(again):
            self.days.take_back(work.outcome, again)
            np.subtract.at(self._state.total_m, work.outcome.slot[again], work.outcome.rows.distance_m[again])
        self.metrics.repeats += committed.repeats + len(again)
        if work.batch.events:
            known = committed.event_ids
            work.news = [event for event, event_id in zip(work.batch.events, known, strict=True) if event_id is not None]

    async def _wait(self, busy: StoreBusy, tries: int) -> None:
        """The database is down or slow: say so, help it up if it is ours, and wait a little."""
        if self.trouble is None:
            log.warning("the database takes nothing; trackers wait", reason=str(busy))
            self.trouble = str(busy)
        await asyncio.sleep(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)])
        try:
            await self._database.revive()
            self.trouble = str(busy)
        except StoreBusy as still:
            self.trouble = str(still)  # why it does not start says more than that it can't be reached

    def _acknowledge(self, work: Work) -> None:
        place, acks = 0, work.taken.acks
        now = time.time()
        for source, _, frames, arrived in work.entries:
            if len(frames) == 1 and not acks:
                ack, last = frames[0].ack, frames[0].last
            else:
                ack = b"".join(acks.get(place + i, frame.ack) for i, frame in enumerate(frames))
                last = any(frame.last for frame in frames)
            place += len(frames)
            if ack or last:
                try:
                    source.acknowledge(ack, last)
                except Exception:  # a connection's trouble is its own: behind it others wait for theirs
                    log.exception("an acknowledgement could not be written", address=source.address)
            self.metrics.acknowledged(now - arrived, len(frames))

    def _statuses(self, heard: set[int]) -> tuple[list[Event], list[int]]:
        """Who came online with what was just heard, and, once a second, who has been silent for too long."""
        state, changes, inactive = self._state, list[tuple[str, int]](), list[Event]()
        now = np.datetime64(int(time.time() * 1000), "ms")
        slots = np.fromiter(heard, "i4", len(heard))
        slots = slots[state.device_id[slots] != 0]  # 0: removed meanwhile
        state["heard"][slots] = now
        state.dirty[slots] = True
        for slot in slots[state["status"][slots] != ONLINE].tolist():
            state["status"][slot] = ONLINE
            changes.append(("deviceOnline", slot))
        if time.monotonic() >= self._last_tick + TICK_S:
            for slot in self._silent(now).tolist():
                state["status"][slot] = OFFLINE
                state.dirty[slot] = True
                changes.append(("deviceOffline", slot))
            inactive = self._inactive(now)
        told = [(name, int(state.device_id[slot])) for name, slot in changes if not state.blocked[slot]]
        statuses = [Event(device_id, instant(now), name) for name, device_id in told]
        return statuses + inactive, [device_id for _, device_id in told]

    def _inactive(self, now: np.datetime64) -> list[Event]:
        """Of those that were not heard for as long as their owners want to be told of; a disabled device is silent on
        purpose, and of a blocked one nothing is told, nor afterwards."""
        conditions, state = self.stages.conditions, self._state
        gone = conditions.silent(state, now, self._listening_since)
        devices = ((slot, self._devices.get(int(state.device_id[slot]))) for slot in gone)
        return [
            conditions.inactive(slot, state) for slot, device in devices if device and not device.disabled and not device.blocked
        ]

    def _silent(self, now: np.datetime64) -> NDArray[np.intp]:
        """Slots of those that have said nothing for too long, though we listened."""
        deaf_s = time.monotonic() - self._last_tick
        self._last_tick += deaf_s
        if (
            deaf_s > DEAF_S or self._intake.full
        ):  # the database took nothing: what the trackers said may still be in their sockets
            self._listening_since = now
            self.zones.listen(int(now.astype("i8")))
        heard = np.fmax(self._state["heard"], self._listening_since)
        return np.flatnonzero((self._state["status"] == ONLINE) & (now - heard > self._offline))
