"""Sends what waits, as soon as its tracker can be reached, and writes down what came of it.

The table `commands` is the queue, and whoever changes it is heard by `Changes`: pages, rules and other processes only write
rows. What waits is kept in memory, by device. Bytes leave first and are written down after, so a crash in between sends a command
once more; a tracker's answer names the command by a serial where the protocol has one.

Text messages leave by the alerts' SMS channel and meter, and are done when the gateway has taken them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

import protocols
from protocols import Answer, CannotSend, Command, Commanded
from telematics.alerts.channels import Channel, Message, NotSent, Sent
from telematics.alerts.channels.gsm import count_parts
from telematics.alerts.meter import Meter
from telematics.alerts.sender import send
from telematics.config import CommandSettings
from telematics.devices import Device, Devices
from telematics.downlink.metrics import CommandMetrics
from telematics.downlink.queue import GiveUp, Manner, Send, answered, left, next_step, serial_of
from telematics.ingest.reach import Reach
from telematics.live import Bus, CommandNews
from telematics.store import commands as store
from telematics.store.changes import Changes
from telematics.store.commands import Waiting
from telematics.store.database import Database
from telematics.store.errors import StoreError
from telematics.store.records import Event
from telematics.store.writer import add_events

log = structlog.get_logger(__name__)

TICK_S = 1.0
SWEEP_S = 10.0  # between two looks for what is too old
AGAIN_S = 1.0
SMS_AT_ONCE = 4
SMS_S = 30.0  # for the gateway
SMS_NUMBERS = -(2**62)  # commands' numbers for the meter, below those of deliveries and tests
PASSWORD = "devicePassword"  # noqa: S105 # the attribute of a device, as Traccar has it

Slow = Callable[[Device], bool]
Write = Callable[[AsyncConnection[Any]], Awaitable[Event | None]]


@dataclass(slots=True)
class Ways:
    """How text messages leave, and who pays."""

    sms: Channel
    meter: Callable[[], Meter]
    timeout_s: float = SMS_S


class Downlink:
    """`watch` before Changes are loaded, then `run` for the life of the server."""

    def __init__(
        self,
        database: Database,
        settings: CommandSettings,
        devices: Devices,
        reach: Reach,
        bus: Bus,
        *,
        slow: Slow,
        protocol_of: Callable[[Device], str],
        ways: Ways,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self.metrics = CommandMetrics(self)
        self._database = database
        self._settings = settings
        self._devices = devices
        self._reach = reach
        self._bus = bus
        self._slow = slow
        self._protocol_of = protocol_of
        self._ways = ways
        self._told = told
        self._manner = Manner(timedelta(seconds=settings.answer_s), settings.tries)
        self._queues: dict[int, list[Waiting]] = {}  # by device, each oldest first
        self._fresh: set[int] = set()  # devices whose queue is to be looked at, reachable or not
        self._to_write: list[tuple[int, Write]] = []  # commands, and what happened to them that isn't in the table yet
        self._unwritten: set[int] = set()  # the same commands
        self._again: set[int] = set()  # of them those whose row somebody else changed meanwhile
        self._table = asyncio.Lock()  # between reading rows and taking them nothing is written
        self._reasons: dict[int, str] = {}  # why commands wait, as the table has it
        self._texting: dict[int, asyncio.Task[None]] = {}  # text messages on their way
        self._wake = asyncio.Event()
        reach.arrived = self._arrived
        reach.answered = self._answered

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    def watch(self, changes: Changes) -> None:
        changes.subscribe("commands", self._changed)

    async def run(self) -> None:
        """Until it is cancelled."""
        swept = 0.0
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    await self._write()
                    if loop.time() - swept >= SWEEP_S:
                        swept = loop.time()
                        await self._sweep()
                    self._attend_all()
                    await self._write()
                except (StoreError, psycopg.Error) as error:
                    log.info("commands wait for the database", reason=str(error).partition("\n")[0])
                    await asyncio.sleep(AGAIN_S)
                except Exception:  # whatever it is, it must not stop the server: trackers' reports are more important
                    log.exception("commands will be looked at again")
                    await asyncio.sleep(AGAIN_S)
                self._wake.clear()
                if not self._to_write:
                    await self._pause()
        finally:
            for task in self._texting.values():
                task.cancel()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._wake.wait()
        except TimeoutError:
            return

    # --- the queue

    async def _changed(self, ids: set[int] | None) -> None:
        """Somebody wrote into the table; None: nobody knows what."""
        wanted = None if ids is None else sorted(ids)
        async with self._table, self._database.pool.connection() as connection:
            found = await store.waiting(connection, wanted)
            whose = [] if wanted is None else await store.whose(connection, wanted)
            self._take(found, wanted)
        if whose:
            self._bus.publish(commands=[CommandNews(one.id, one.account_id, one.device_id) for one in whose])

    def _take(self, found: Sequence[Waiting], wanted: Sequence[int] | None) -> None:
        """The rows as they stand in the table. What of them has changed here meanwhile is written there first, and read then."""
        here = {command.id for queue in self._queues.values() for command in queue}
        old = (here if wanted is None else here.intersection(wanted)) - self._unwritten
        self._again |= self._unwritten.intersection(here if wanted is None else wanted)
        if old:
            for device_id, queue in list(self._queues.items()):
                self._keep(device_id, [command for command in queue if command.id not in old])
        for command in found:
            if command.id not in self._unwritten:
                self._queues.setdefault(command.device_id, []).append(command)
                self._fresh.add(command.device_id)
        for device_id in self._fresh:
            self._queues.get(device_id, []).sort(key=lambda command: command.id)
        if self._fresh:
            self._wake.set()

    def _keep(self, device_id: int, queue: list[Waiting]) -> None:
        if queue:
            self._queues[device_id] = queue
        else:
            self._queues.pop(device_id, None)

    async def _sweep(self) -> None:
        async with self._database.pool.connection() as connection:
            await store.expire(connection, datetime.now(UTC))

    # --- sending

    def _arrived(self, device_id: int) -> None:
        """A tracker has said who it is: some sleep again in a moment."""
        if device_id in self._queues:
            asyncio.get_running_loop().call_soon(self._attend_now, device_id)  # behind the answer to its login

    def _attend_now(self, device_id: int) -> None:
        self._attend(device_id)
        if self._to_write:
            self._wake.set()

    def _attend_all(self) -> None:
        """Most of those that wait are offline: nothing happens to them until they arrive."""
        fresh, self._fresh = self._fresh, set()
        for device_id in fresh.union(filter(self._reach.has, self._queues)):
            self._attend(device_id)

    def _attend(self, device_id: int) -> None:
        """Send what may be sent to the device now."""
        device, queue = self._devices.get(device_id), self._queues.get(device_id, [])
        if device is None or device.disabled or device.blocked is not None:
            return
        for command in queue:
            if command.sms and command.state == "queued" and command.id not in self._texting:
                self._text(device, command)
        speaker = self._reach.speaker(device_id)
        now = datetime.now(UTC)
        slow = any(command.when_slow for command in queue) and self._slow(device)
        for command in queue:
            if command.state == "queued" and not command.sms:
                held = command.when_slow and not slow
                self._explain(command, "offline" if speaker is None else "not slow" if held else None)
        if speaker is None:
            return
        step = next_step(queue, now, self._manner, slow=slow)
        if isinstance(step, GiveUp):
            self._end(step.command, "failed", reason=step.reason)
        elif isinstance(step, Send):
            command = step.command
            try:
                data = self._encoded(speaker.session, device, command)
            except CannotSend as error:
                self._end(command, "failed", reason=f"cannot be sent: {error}")
                return
            speaker.say(data)
            codec = speaker.codec
            self._sent(command, now, awaits=codec.answers and command.type not in codec.unanswered)

    def _encoded(self, session: object, device: Device, command: Waiting) -> bytes:
        if not isinstance(session, Commanded):
            raise CannotSend("the tracker's protocol takes no commands")
        return session.command(Command(command.type, command.parameters), serial_of(command.id), _password(device))

    def _sent(self, command: Waiting, now: datetime, *, awaits: bool) -> None:
        self.metrics.count("sent")
        queue = self._queues.get(command.device_id, [])
        if awaits:
            self._queues[command.device_id] = left(queue, command, now)
        else:
            self._keep(command.device_id, [other for other in queue if other.id != command.id])
        self._reasons.pop(command.id, None)

        async def write(connection: AsyncConnection[Any]) -> None:
            await store.sent(connection, command.id, now, awaits=awaits)

        self._note(command, write)

    def _note(self, command: Waiting, write: Write) -> None:
        self._to_write.append((command.id, write))
        self._unwritten.add(command.id)

    def _explain(self, command: Waiting, reason: str | None) -> None:
        """Why it waits, for who looks at it."""
        if reason is not None and self._reasons.get(command.id) != reason:
            self._reasons[command.id] = reason

            async def write(connection: AsyncConnection[Any]) -> None:
                await store.waits(connection, command.id, reason)

            self._note(command, write)

    # --- text messages

    def _text(self, device: Device, command: Waiting) -> None:
        if len(self._texting) < SMS_AT_ONCE:
            task = asyncio.create_task(self._send_text(device, command), name="command by SMS")
            self._texting[command.id] = task
            task.add_done_callback(lambda _: self._texted(command.id))

    def _texted(self, command_id: int) -> None:
        del self._texting[command_id]
        self._wake.set()

    async def _send_text(self, device: Device, command: Waiting) -> None:
        try:
            reason = await self._text_sent(device, command)
        except (StoreError, psycopg.Error) as error:
            log.info("a command by SMS waits for the database", reason=str(error).partition("\n")[0])
            await asyncio.sleep(AGAIN_S)
            return
        if reason is None:
            self._sent(command, datetime.now(UTC), awaits=False)
        else:
            self._end(command, "failed", reason=reason)

    async def _text_sent(self, device: Device, command: Waiting) -> str | None:
        """None: the gateway has taken it; otherwise why not."""
        way = self._ways.sms
        if way.configured is not None:
            return f"not configured: {way.configured}"
        if not command.phone:
            return "no phone number"
        try:
            text = sms_text(self._protocol_of(device), Command(command.type, command.parameters), _password(device))
        except CannotSend as error:
            return f"cannot be sent: {error}"
        number = SMS_NUMBERS - command.id
        meter = self._ways.meter()
        refusal = await meter.reserve(device.account_id, number, count_parts(text))
        if refusal is not None:
            return f"not paid for: {refusal}"
        outcome = await send(way, command.phone, Message(number, "", text, text), self._ways.timeout_s)
        if isinstance(outcome, Sent):
            await meter.settle(number, outcome.parts or 1)
            return None
        assert isinstance(outcome, NotSent)
        if not outcome.uncertain:
            await meter.give_back(number)
        return f"{'may have been sent' if outcome.uncertain else 'gateway'}: {outcome.reason}"

    # --- answers

    def _answered(self, device_id: int, answers: Sequence[Answer]) -> None:
        for answer in answers:
            command = answered(self._queues.get(device_id, []), answer)
            if command is not None:
                self._end(command, "failed" if answer.ok is False else "answered", answer=answer)
        if device_id in self._queues:
            asyncio.get_running_loop().call_soon(self._attend_now, device_id)  # the next one may leave
        self._wake.set()

    def _end(self, command: Waiting, state: Any, *, reason: str | None = None, answer: Answer | None = None) -> None:
        self.metrics.count(state)
        queue = self._queues.get(command.device_id, [])
        self._keep(command.device_id, [other for other in queue if other.id != command.id])
        self._reasons.pop(command.id, None)
        now = datetime.now(UTC)
        if answer is not None and answer.ok is False:
            reason = "refused by the tracker"
        text = None if answer is None else answer.text

        async def write(connection: AsyncConnection[Any]) -> Event | None:
            if not await store.ended(connection, command.id, state=state, reason=reason, answer=text, at=now):
                return None
            event = _result(command, now, state, text or reason or "")
            await add_events(connection, [event])
            return event

        self._note(command, write)

    async def _write(self) -> None:
        """What happened, in one transaction. If the database is away it is tried again, and nothing is lost but by a crash."""
        if not self._to_write:
            return
        async with self._table:
            writing = list(self._to_write)
            try:
                events = await self._written([write for _, write in writing])
            except (psycopg.errors.IntegrityError, psycopg.errors.DataError):  # a device that is gone, perhaps: one by one
                events = [event for _, write in writing for event in await self._written_or_dropped(write)]
            del self._to_write[: len(writing)]
            self._unwritten = {command_id for command_id, _ in self._to_write}
        if events:
            self._bus.publish(events=events)
            self._told()
        if self._again:
            again, self._again = self._again, set()
            await self._changed(again)

    async def _written(self, writes: Sequence[Write]) -> list[Event]:
        async with self._database.pool.connection() as connection, connection.transaction():
            return [event for write in writes if (event := await write(connection)) is not None]

    async def _written_or_dropped(self, write: Write) -> list[Event]:
        try:
            return await self._written([write])
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError) as error:
            log.warning("what became of a command can't be written", reason=str(error).partition("\n")[0])
            return []


def _result(command: Waiting, now: datetime, state: str, result: str) -> Event:
    attributes = {"commandId": command.id, "command": command.type, "state": state, "result": result}
    return Event(command.device_id, now, "commandResult", str(command.id), attributes=attributes)


def _password(device: Device) -> str:
    password = device.attributes.get(PASSWORD)
    return password if isinstance(password, str) else ""


def sms_text(protocol: str, command: Command, password: str) -> str:
    """The words of a text message. Raises CannotSend."""
    if command.type == "custom":
        return str(command["data"])
    codec = next((codec for codec in protocols.CODECS if codec.name == protocol), None)
    if codec is None:
        raise CannotSend("the tracker has never reported, so its words aren't known: write them as a custom command")
    if codec.sms is None:
        raise CannotSend(f"the words of {codec.name} in text messages aren't known: write them as a custom command")
    return codec.sms(command, password)
