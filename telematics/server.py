"""The server without its pages: listeners, pipeline and store, put together and taken apart in the right order.

`async with Server(settings) as server:` runs it. `dashboards.create_app(server)` puts the pages and the API on top.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from types import TracebackType
from typing import Literal, Self

import msgspec
import numpy as np
import prometheus_client
import psycopg
import structlog

from telematics.alerts.service import Alerts
from telematics.config import Settings
from telematics.devices import Device, Devices, Groups
from telematics.downlink import Downlink
from telematics.downlink.service import Ways
from telematics.ingest.batch import Intake
from telematics.ingest.listeners import Listeners
from telematics.ingest.metrics import IngestMetrics
from telematics.live import Bus
from telematics.mqtt.service import Mqtt
from telematics.pipeline.conditions import thresholds
from telematics.pipeline.proximity import Proximities
from telematics.pipeline.recovery import recover
from telematics.pipeline.revisit import Revisits
from telematics.pipeline.state import STATUS_NAMES, Latest, State, StatusName
from telematics.pipeline.worker import Worker
from telematics.store.changes import Changes
from telematics.store.database import Database, open_database
from telematics.store.devices import load_devices
from telematics.store.errors import StoreError, translate
from telematics.store.maintenance import Maintenance
from telematics.store.records import Event
from telematics.store.unknown import save_unknown
from telematics.store.writer import Writer
from telematics.tasks import end
from telematics.zones.registry import Zones

log = structlog.get_logger()
UNKNOWN_SAVED_S = 2.0
RELISTEN_S = 1.0
GATHER_S = 0.02  # for the changes behind the first one: an import of thousands is a few queries
LOADED_AT_ONCE = 1_000  # devices, some 20 ms: a tariff that ends blocks thousands, and trackers want their turn between
FRESH = timedelta(minutes=2)  # a fix that tells the speed of now
STOP_S = 10.0  # for a commit under way when the server is told to stop


class Status(msgspec.Struct, frozen=True):
    """Whether a device is heard. `position_id` is of its newest report."""

    status: StatusName
    heard: datetime | None
    position_id: int | None
    moving: bool


UNHEARD = Status("unknown", None, None, moving=False)


class Health(msgspec.Struct, frozen=True):
    status: Literal["ok", "degraded", "down"]  # degraded: trackers wait, or MQTT does not work; down: the database takes nothing
    reason: str | None
    version: str
    database: str  # "embedded" or "external"
    edition: str
    uptime_s: float
    connections: int
    waiting_frames: int
    last_commit_age_s: float
    devices: int


class Server:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.devices = Devices()
        self.bus = Bus(self.devices)
        self.state = State()
        self.intake = Intake(settings.limits, self.devices)
        self.database: Database
        self.changes: Changes
        self.proximities: Proximities
        self.zones: Zones
        self.alerts: Alerts
        self.mqtt: Mqtt
        self.downlink: Downlink
        self.worker: Worker
        self.revisits: Revisits
        self.listeners: Listeners
        self.failed = asyncio.Event()  # a part has died: stop, and let whoever supervises start again
        self._deaf: str | None = None  # why we don't hear of changed devices
        self._started = time.monotonic()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Everything up: the database, the state, the pipeline, then the doors. Raises StoreError or IngestError."""
        async with AsyncExitStack() as stack:
            try:
                await self._start(stack)
            except psycopg.Error as error:  # the database went away meanwhile
                raise translate(error) or error from error
            self._stack = stack.pop_all()
        # What is alive now lives as long as the server: the collector needn't look at it again
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        self.database = await stack.enter_async_context(open_database(self.settings))
        writer = await stack.enter_async_context(Writer(self.database))
        await self._load_devices(None)
        self.changes = Changes(self.database)
        self.zones = Zones(self.database)
        self.zones.watch(self.changes)
        self.proximities = Proximities(self.database, self.devices, lambda: self.groups, self.state)
        self.proximities.watch(self.changes)
        self.alerts = Alerts(self.database, self.settings, self.devices, self.zones, self.bus)
        self.alerts.watch(self.changes)
        self.downlink = Downlink(
            self.database,
            self.settings.commands,
            self.devices,
            self.intake.reach,
            self.bus,
            slow=self._slow,
            protocol_of=self.protocol_of,
            ways=Ways(self.alerts.channels["sms"], lambda: self.alerts.meter),
            told=self.alerts.wake,
        )
        self.downlink.watch(self.changes)
        self.mqtt = Mqtt(
            self.settings.mqtt,
            self.database,
            self.intake,
            self.devices,
            self.bus,
            latest=self.latest,
            status=self._status_and_heard,
        )
        self.mqtt.watch(self.changes)
        await self.changes.load()
        self.worker = Worker(self.settings, self.database, writer, self.intake, self.devices, self.state, self.bus)
        watermark = await recover(
            self.database,
            writer,
            self.devices,
            self.state,
            self.worker.stages,
            self.worker.days,
            self.worker.zones,
            self.zones.index,
        )
        self.zones.follow = self.worker.zones.follow
        self.revisits = Revisits(self.settings, self.database, self.devices, self.state, self.worker)
        self.revisits.told = self._told_late
        self.worker.watermark = watermark
        await self.revisits.catch_up()
        await self.proximities.start()
        counts = IngestMetrics()
        self.listeners = Listeners(self.settings, self.intake, counts)
        for collector in (
            self.worker.metrics,
            self.proximities,
            counts,
            self.alerts.metrics,
            self.downlink.metrics,
            self.mqtt.metrics,
        ):
            prometheus_client.REGISTRY.register(collector)
            stack.callback(prometheus_client.REGISTRY.unregister, collector)
        self.worker.told = self.alerts.wake
        stack.push_async_callback(self.alerts.stop)
        stack.push_async_callback(self._stop)
        self._tasks = [
            asyncio.create_task(self.worker.run(), name="pipeline"),
            asyncio.create_task(self._follow_devices(), name="device changes"),
            asyncio.create_task(self.changes.run(), name="changes"),
            asyncio.create_task(self.proximities.run(self.worker), name="proximities"),
            asyncio.create_task(self.revisits.run(), name="late visits"),
            asyncio.create_task(self._save_unknown(), name="unknown trackers"),
            asyncio.create_task(self.downlink.run(), name="commands"),
            asyncio.create_task(Maintenance(self.database, self.settings).run(), name="maintenance"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._watch)
        self.alerts.start().add_done_callback(self._watch)
        await self.listeners.start()
        for task in self.mqtt.start():
            task.add_done_callback(self._watch)

    async def _stop(self) -> None:
        """Stop reading, finish the commit under way and acknowledge it, save the state, hang up."""
        await self.listeners.quiet()
        self.mqtt.quiet()
        self.worker.stop()
        pipeline, *others = self._tasks
        await end(others)
        await asyncio.wait([pipeline], timeout=STOP_S)
        if not pipeline.done():
            log.warning("the database did not take the last batch in time; its trackers will send it again")
        await end([pipeline])
        await self.listeners.stop()
        await self.mqtt.stop()

    def hurry(self) -> None:
        """Wait for the database no longer: what is not acknowledged comes again, what is not saved is worked out at the start."""
        self._tasks[0].cancel()

    def _watch(self, task: asyncio.Task[None]) -> None:
        """Without one of its tasks the server is no server: better to stop loudly and be started again."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("stopped working", task=task.get_name(), exc_info=error)
            self.failed.set()

    def _told_late(self, events: list[Event]) -> None:
        self.bus.publish(events=events)
        self.alerts.wake()

    @property
    def groups(self) -> Groups:
        """One object for good, kept fresh."""
        return self.zones.groups

    def zones_of(self, device_id: int) -> list[int]:
        """Ids of the zones the device is in now, ascending."""
        device = self.devices.get(device_id)
        return [] if device is None else self.worker.zones.zones_of(device.slot)

    def latest(self, device_ids: Iterable[int]) -> list[Latest]:
        """Where devices are and what they last said; those that never had a place are left out."""
        devices = [device for device_id in device_ids if (device := self.devices.get(device_id)) is not None]
        return self.state.latest_many([device.slot for device in devices])

    def status(self, device_id: int) -> Status:
        return self.statuses([device_id])[device_id]

    def statuses(self, device_ids: Iterable[int]) -> dict[int, Status]:
        """By device; unknown for those that don't exist. Field by field, some 2 µs a device."""
        found = dict.fromkeys(device_ids, UNHEARD)
        devices = [device for device_id in found if (device := self.devices.get(device_id)) is not None]
        rows = self.state.columns(("status", "heard", "position_id", "moving"), [device.slot for device in devices])
        for device, status, heard, position_id, moving in zip(devices, *rows, strict=True):
            found[device.id] = Status(STATUS_NAMES[status], heard, position_id or None, moving)
        return found

    def protocol_of(self, device: Device) -> str:
        """The protocol it reports by; empty: it never did."""
        ((name,),) = self.state.columns(("protocol",), [device.slot])
        return str(name)

    def _slow(self, device: Device) -> bool:
        """Whether its engine may be stopped: it is slow by a fresh fix, or it stands, as far as anybody knows, and is there."""
        found = self.state.latest_many([device.slot])
        if not found:
            return False
        latest, now = found[0], datetime.now(UTC)
        if abs(now - latest.fix_time) <= FRESH:
            return latest.speed_kmh is not None and latest.speed_kmh <= self.settings.commands.slow_kmh
        return self.status(device.id).status == "online" and not latest.moving and not latest.ignition

    def _status_and_heard(self, device_id: int) -> tuple[StatusName, datetime | None]:
        status = self.status(device_id)
        return status.status, status.heard

    def health(self) -> Health:
        trouble = self.worker.held_up or self._deaf
        return Health(
            status="down" if trouble else "degraded" if self.intake.full or self.mqtt.trouble else "ok",
            reason=trouble or ("more arrives than can be stored; trackers wait" if self.intake.full else self.mqtt.trouble),
            version=version("telematics"),
            database="embedded" if self.database.embedded else "external",
            edition=self.database.edition,
            uptime_s=round(time.monotonic() - self._started, 1),
            connections=self.listeners.connections,
            waiting_frames=self.intake.waiting_frames,
            last_commit_age_s=round(time.monotonic() - self.worker.last_commit, 1),
            devices=len(self.devices),
        )

    async def refresh_device(self, device_id: int) -> None:
        """Take over what the table says of a device: added, edited, disabled or gone."""
        await self._load_devices([device_id])

    async def _load_devices(self, device_ids: list[int] | None) -> None:
        async with self.database.pool.connection() as connection:
            found = await load_devices(connection, device_ids)
        elsewhere = [device.id for device in found if self._moved(device)]
        for device in found:
            self._put(device)
        if elsewhere:
            self.worker.zones.reattach([put.slot for device_id in elsewhere if (put := self.devices.get(device_id))])
        known = {device.id for device in found}
        for gone in [device.id for device in self.devices] if device_ids is None else device_ids:
            if gone not in known:
                self._remove(gone)

    def _moved(self, device: Device) -> bool:
        """To another group or account, so that other zones are for it."""
        old = self.devices.get(device.id)
        return old is not None and (old.group_id, old.account_id) != (device.group_id, device.account_id)

    def _put(self, device: Device) -> None:
        old = self.devices.get(device.id)
        self.devices.put([device])
        device = self.devices.get(device.id) or device
        self.state.grow(self.devices.slots)
        self.state.device_id[device.slot] = device.id
        self.state.account_id[device.slot] = device.account_id
        self.state.group_id[device.slot] = device.group_id or 0
        self.state.speed_limit_kmh[device.slot] = np.nan if device.speed_limit_kmh is None else device.speed_limit_kmh
        for name, value in thresholds(device.attributes).items():
            self.state.thresholds[name][device.slot] = value
        self.state.blocked[device.slot] = device.blocked is not None
        turned = old is not None and (old.blocked is None) != (device.blocked is None)
        if turned:
            self.state.break_off(device.slot)
        if old is not None and (device.disabled or old.unique_id != device.unique_id):
            self.listeners.drop(device.id)
        if old != device:
            self.bus.publish(devices=[device.id], hurry=turned)

    def _remove(self, device_id: int) -> None:
        device = self.devices.get(device_id)
        if device is not None:
            self.bus.publish(devices=[device_id])
            self.devices.remove(device_id)
            self.state.forget(device.slot)
            self.listeners.drop(device_id)

    async def _follow_devices(self) -> None:
        """Hear of every change of the table, whoever makes it."""
        while True:
            try:
                async with await self.database.connect() as connection:
                    await connection.execute("LISTEN devices")
                    await self._load_devices(None)  # what changed while nobody listened
                    self._deaf = None
                    while True:
                        told = [notify.payload async for notify in connection.notifies(stop_after=1)]
                        told += [notify.payload async for notify in connection.notifies(timeout=GATHER_S)]
                        changed = sorted({int(device_id) for device_id in told if device_id.isdecimal()})
                        for start in range(0, len(changed), LOADED_AT_ONCE):
                            await self._load_devices(changed[start : start + LOADED_AT_ONCE])
            except (StoreError, psycopg.Error) as error:
                self._deaf = str(error).partition("\n")[0]  # the first to notice when the database dies and nobody reports
                await asyncio.sleep(RELISTEN_S)
                with suppress(StoreError):
                    await self.database.revive()

    async def _save_unknown(self) -> None:
        while True:
            await asyncio.sleep(UNKNOWN_SAVED_S)
            unknown = self.intake.take_unknown()
            try:
                if unknown:
                    async with self.database.pool.connection() as connection:
                        await save_unknown(connection, unknown, self.settings.limits.unknown_trackers)
            except (StoreError, psycopg.Error) as error:
                log.debug("unknown trackers not saved", reason=str(error))
