"""Sends what waits, as soon as its tracker can be reached, and writes down what came of it.

The table `commands` is the queue, and whoever changes it is heard by `Changes`: pages, rules and other processes only write
rows. What waits is kept in memory, by device. Bytes leave first and are written down after, so a crash in between sends a command
once more; a tracker's answer names the command by a serial where the protocol has one. While the database is away what happens is
kept, and written as soon as it is back.

Text messages leave by the alerts' SMS channel and meter, and are done when the gateway has taken them.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

import psycopg
import structlog

import protocols
from protocols import Answer, CannotSend, Command, Commanded
from telematics.alerts.channels import Channel, Message, NotSent, Sent
from telematics.alerts.channels.gsm import count_parts
from telematics.alerts.meter import Meter
from telematics.alerts.sender import send
from telematics.config import CommandSettings
from telematics.devices import Device, Devices
from telematics.downlink.metrics import CommandMetrics
from telematics.downlink.queue import GiveUp, LetBe, Manner, Send, answered, left, next_step, serial_of, under_way
from telematics.ingest.connection import Speaker
from telematics.ingest.reach import Reach
from telematics.live import Bus, CommandNews
from telematics.store import commands as store
from telematics.store.changes import Changes
from telematics.store.commands import Ended, Left, Waiting
from telematics.store.database import Database
from telematics.store.errors import StoreError
from telematics.store.records import Event
from telematics.store.writer import add_events

log = structlog.get_logger(__name__)

TICK_S = 1.0
SWEEP_S = 10.0  # between two looks for what is too old
AGAIN_S = 1.0
AT_ONCE = 200  # devices looked at before trackers get a turn
EXPLAINED = 2_000  # commands of one transaction
SMS_AT_ONCE = 4
SMS_S = 30.0  # for the gateway
SMS_NUMBERS = -(2**62)  # commands' numbers for the meter, below those of deliveries and tests
PASSWORD = "devicePassword"  # noqa: S105 # the attribute of a device, as Traccar has it

SMS_UNKNOWN = "the channel failed"
LONGEST_RESULT = 1_000  # characters of an answer that its event tells; the log has more of it
LONGEST_PASSWORD = 32
PLAIN_PASSWORD = re.compile(rf"[A-Za-z0-9_.@!+-]{{1,{LONGEST_PASSWORD}}}")

Slow = Callable[[Device], bool]


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
        self._device_of: dict[int, int] = {}  # by command, of those in the queues
        self._left: dict[int, Left] = {}  # what happened to commands that isn't in the table yet, by command: they have left …
        self._ended: dict[int, tuple[Ended, Event]] = {}  # … and this came of them
        self._again: set[int] = set()  # of these those whose row somebody else changed meanwhile
        self._held: Counter[int] = Counter()  # commands that somebody is about to take back
        self._taken_back = set[int]()  # those that somebody has, and rows read before may still hold
        self._owed: dict[
            int, list[datetime]
        ] = {}  # by device: when it was told what isn't wanted any more, and may yet be answered
        self._table = asyncio.Lock()  # between reading rows and taking them nothing is written
        self._reasons: dict[int, str] = {}  # why commands wait, as the table has it or soon will
        self._to_explain: dict[int, str] = {}  # of these those that it will have
        self._wordy: dict[int, None] = {}  # devices that text messages wait for, in order
        self._texting: dict[int, asyncio.Task[None]] = {}  # text messages on their way
        self._wake = asyncio.Event()
        reach.arrived = self._arrived
        reach.answered = self._answered

    @property
    def waiting(self) -> int:
        return len(self._device_of)

    def watch(self, changes: Changes) -> None:
        changes.subscribe("commands", self._changed)

    async def run(self) -> None:
        """Until it is cancelled."""
        swept = rounded = 0.0
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._wake.clear()
                try:
                    await self._write()
                    if loop.time() - swept >= SWEEP_S:
                        swept = loop.time()
                        await self._sweep()
                    everybody = loop.time() - rounded >= TICK_S
                    if everybody:
                        rounded = loop.time()
                    await self._attend_all(everybody)
                    await self._write()
                    await self._write_reasons()
                except (StoreError, psycopg.Error) as error:
                    log.info("commands wait for the database", reason=str(error).partition("\n")[0])
                    await asyncio.sleep(AGAIN_S)
                except Exception:  # whatever it is, it must not stop the server: trackers' reports are more important
                    log.exception("commands will be looked at again")
                    await asyncio.sleep(AGAIN_S)
                else:
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
        unwritten = self._left.keys() | self._ended.keys()
        asked = self._device_of.keys() | unwritten if wanted is None else set(wanted)
        self._again |= asked & unwritten
        rows = {command.id: command for command in found if command.id not in unwritten | self._taken_back}
        self._taken_back -= asked - {command.id for command in found}
        for command_id in (asked & self._device_of.keys()) - unwritten - rows.keys():
            self._dropped(command_id)
        touched = set()
        for command in rows.values():
            queue = self._queues.setdefault(command.device_id, [])
            if command.id in self._device_of:
                queue[:] = [command if other.id == command.id else other for other in queue]
            else:
                queue.append(command)
                touched.add(command.device_id)
            self._device_of[command.id] = command.device_id
            if command.reason is not None:
                self._reasons.setdefault(command.id, command.reason)
            if command.sms:
                self._wordy[command.device_id] = None
            self._fresh.add(command.device_id)
        for device_id in touched:
            self._queues[device_id].sort(key=lambda command: command.id)
        if rows:
            self._wake.set()

    def _dropped(self, command_id: int) -> None:
        """Nobody wants it any more. If the tracker has it already, its answer is not that to the next one."""
        command = self._remove(command_id)
        if command is not None and command.sent_at is not None and under_way(command, datetime.now(UTC), self._manner):
            self._owed.setdefault(command.device_id, []).append(command.sent_at)
        if command is not None:
            self._fresh.add(command.device_id)  # the next one may leave
            self._wake.set()

    def _remove(self, command_id: int) -> Waiting | None:
        device_id = self._device_of.pop(command_id, None)
        self._reasons.pop(command_id, None)
        self._to_explain.pop(command_id, None)
        if device_id is None:
            return None
        queue = self._queues[device_id]
        (command,) = [one for one in queue if one.id == command_id]
        queue.remove(command)
        if not queue:
            del self._queues[device_id]
        return command

    @contextmanager
    def held(self, command_id: int) -> Iterator[bool]:
        """For as long as somebody takes it back the command doesn't leave, and when that went well it is forgotten; False: it has
        left, and the table will say so in a moment."""
        device_id = self._device_of.get(command_id)
        state = next((one.state for one in self._queues.get(device_id or 0, []) if one.id == command_id), "queued")
        if state != "queued" or command_id in self._left or command_id in self._ended or command_id in self._texting:
            yield False
            return
        self._held[command_id] += 1
        try:
            yield True
            self._remove(command_id)
            self._taken_back.add(command_id)  # until the table has been asked again
        finally:
            self._held -= Counter([command_id])
            if device_id is not None:
                self._fresh.add(device_id)
                self._wake.set()

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
        if self._left or self._ended:
            self._wake.set()

    async def _attend_all(self, everybody: bool) -> None:
        """Most of those that wait are offline: nothing happens to them until they arrive."""
        fresh, self._fresh = self._fresh, set()
        if everybody:
            fresh = fresh | self._reach.among(self._queues.keys())
            if len(self._texting) < SMS_AT_ONCE:
                fresh |= self._wordy.keys()
            self._forget_owed(datetime.now(UTC))
        for place, device_id in enumerate(fresh, 1):
            self._attend(device_id)
            if place % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _attend(self, device_id: int) -> None:
        """Send what may be sent to the device now. Whatever is wrong with it is no other's trouble."""
        device = self._devices.get(device_id)
        queue = [one for one in self._queues.get(device_id, []) if one.id not in self._held]
        if device is None or device.disabled or device.blocked is not None:
            return
        queue = [one for one in queue if one.account_id == device.account_id]  # it was given away: they are being withdrawn
        if not any(command.sms for command in queue):
            self._wordy.pop(device_id, None)
        if not queue:
            return
        now = datetime.now(UTC)
        for command in queue:
            if command.sms and command.state == "queued" and command.id not in self._texting and command.expires_at > now:
                self._text(device, command)
        speaker = self._speaker(device)
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
        elif isinstance(step, LetBe):
            command = step.command
            self._remove(command.id)
            self._left[command.id] = Left(command.id, command.sent_at or now, command.tries, awaits=False)
        elif isinstance(step, Send):
            self._send(speaker, device, step.command, now)

    def _speaker(self, device: Device) -> Speaker | None:
        """By whom it can be told; the tracker that had its number before is not the one that is meant."""
        speaker = self._reach.speaker(device.id)
        known = None if speaker is None else speaker.device
        return speaker if known is not None and known.unique_id == device.unique_id else None

    def _send(self, speaker: Speaker, device: Device, command: Waiting, now: datetime) -> None:
        try:
            data = self._encoded(speaker.session, device, command)
        except CannotSend as error:
            self._end(command, "failed", reason=f"cannot be sent: {error}")
            return
        except Exception as error:  # what no encoder foresaw must hold up neither the queue nor others
            log.exception("a command could not be encoded", protocol=speaker.codec.name, type=command.type)
            self._end(command, "failed", reason=f"cannot be sent: {type(error).__name__}")
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
        if awaits:
            queue = self._queues.get(command.device_id, [])
            queue[:] = left(queue, command, now)
            self._reasons.pop(command.id, None)
            self._to_explain.pop(command.id, None)
        else:
            self._remove(command.id)
        self._left[command.id] = Left(command.id, now, command.tries + 1, awaits)

    def _explain(self, command: Waiting, reason: str | None) -> None:
        """Why it waits, for who looks at it."""
        if reason is not None and self._reasons.get(command.id) != reason:
            self._reasons[command.id] = self._to_explain[command.id] = reason

    # --- text messages

    def _text(self, device: Device, command: Waiting) -> None:
        if len(self._texting) < SMS_AT_ONCE:
            task = asyncio.create_task(self._send_text(device, command), name="command by SMS")
            self._texting[command.id] = task
            task.add_done_callback(lambda _: self._texted(command.id))

    def _texted(self, command_id: int) -> None:
        del self._texting[command_id]
        self._fresh.update(islice(self._wordy, SMS_AT_ONCE))  # there is a place for another one
        self._wake.set()

    async def _send_text(self, device: Device, command: Waiting) -> None:
        try:
            reason = await self._text_sent(device, command)
        except (StoreError, psycopg.Error) as error:
            log.info("a command by SMS waits for the database", reason=str(error).partition("\n")[0])
            await asyncio.sleep(AGAIN_S)
            return
        except Exception:
            log.exception("a command by SMS failed", type=command.type)
            reason = f"may have been sent: {SMS_UNKNOWN}"
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
            await _surely(lambda: meter.settle(number, outcome.parts or 1))
            return None
        assert isinstance(outcome, NotSent)
        if not outcome.uncertain:
            await _surely(lambda: meter.give_back(number))
        return f"{'may have been sent' if outcome.uncertain else 'gateway'}: {outcome.reason}"

    # --- answers

    def _answered(self, device_id: int, answers: Sequence[Answer]) -> None:
        for answer in answers:
            if answer.serial is None and self._was_owed(device_id):
                continue
            command = answered(self._queues.get(device_id, []), answer)
            if command is not None:
                self._end(command, "failed" if answer.ok is False else "answered", answer=answer)
        if device_id in self._queues:
            asyncio.get_running_loop().call_soon(self._attend_now, device_id)  # the next one may leave
        if self._ended:
            self._wake.set()

    def _was_owed(self, device_id: int) -> bool:
        """Whether the answer is to what nobody wants any more: the first to what was sent first."""
        if device_id not in self._owed:
            return False
        self._forget_owed(datetime.now(UTC), [device_id])
        owed = self._owed.get(device_id)
        if not owed:
            return False
        owed.pop(0)
        return True

    def _forget_owed(self, now: datetime, device_ids: Iterable[int] | None = None) -> None:
        for device_id in list(self._owed if device_ids is None else device_ids):
            self._owed[device_id] = [at for at in self._owed[device_id] if abs(now - at) < self._manner.answer]
            if not self._owed[device_id]:
                del self._owed[device_id]

    def _end(
        self, command: Waiting, state: Literal["answered", "failed"], *, reason: str | None = None, answer: Answer | None = None
    ) -> None:
        self.metrics.count(state)
        self._remove(command.id)
        now = datetime.now(UTC)
        if answer is not None and answer.ok is False:
            reason = "refused by the tracker"
        text = None if answer is None else answer.text
        self._ended[command.id] = (
            Ended(command.id, state, reason, text, now),
            _result(command, now, state, text or reason or ""),
        )

    # --- what happened, into the table

    async def _write(self) -> None:
        """What happened, in one transaction. If the database is away it is tried again, and nothing is lost but by a crash."""
        if self._left or self._ended:
            async with self._table:
                left, ended = dict(self._left), dict(self._ended)
                try:
                    events = await self._written(left.values(), ended.values())
                except (psycopg.errors.IntegrityError, psycopg.errors.DataError):  # a device that is gone, perhaps: one by one
                    events = await self._written_singly(left.values(), ended.values())
                for number, one in left.items():
                    if self._left.get(number) is one:  # otherwise it has left once more
                        del self._left[number]
                for number in ended:
                    del self._ended[number]
            if events:
                self._bus.publish(events=events)
                self._told()
        if self._again:
            again, self._again = self._again, set()
            try:
                await self._changed(again)
            except BaseException:
                self._again |= again
                raise

    async def _written(self, left: Iterable[Left], ended: Iterable[tuple[Ended, Event]]) -> list[Event]:
        """What has left is written first: it may have ended since."""
        events = {one.id: event for one, event in ended}
        async with self._database.pool.connection() as connection:
            await store.sent(connection, list(left))
            news = await store.ended(connection, [one for one, _ in ended]) if events else set()
            told = [event for number, event in events.items() if number in news]
            if told:
                await add_events(connection, told)
        return told

    async def _written_singly(self, left: Iterable[Left], ended: Iterable[tuple[Ended, Event]]) -> list[Event]:
        told = []
        alone: list[tuple[list[Left], list[tuple[Ended, Event]]]] = [
            *(([one], []) for one in left),
            *(([], [one]) for one in ended),
        ]
        for one_left, one_ended in alone:
            try:
                told += await self._written(one_left, one_ended)
            except (psycopg.errors.IntegrityError, psycopg.errors.DataError) as error:
                log.warning("what became of a command can't be written", reason=str(error).partition("\n")[0])
        return told

    async def _write_reasons(self) -> None:
        """Why they wait. Nobody is held up by it: thousands may wait for the same."""
        while self._to_explain:
            some = dict(islice(self._to_explain.items(), EXPLAINED))
            async with self._database.pool.connection() as connection:
                news = await store.wait(connection, some)
            for number, reason in some.items():
                if self._to_explain.get(number) == reason:
                    del self._to_explain[number]
            self._bus.publish(commands=[CommandNews(one.id, one.account_id, one.device_id) for one in news])
            if self._left or self._ended:
                return


async def _surely(settle: Callable[[], Awaitable[None]]) -> None:
    """The message has left, or hasn't: whoever is told so late must not have it sent again."""
    while True:
        try:
            await settle()
            return
        except (StoreError, psycopg.Error) as error:
            log.info("the price of a command by SMS waits for the database", reason=str(error).partition("\n")[0])
            await asyncio.sleep(AGAIN_S)


def _result(command: Waiting, now: datetime, state: str, result: str) -> Event:
    attributes = {"commandId": command.id, "command": command.type, "state": state, "result": result[:LONGEST_RESULT]}
    return Event(command.device_id, now, "commandResult", str(command.id), attributes=attributes)


def _password(device: Device) -> str:
    """The tracker's own, as it stands in its words; it must not end them: who may write it may perhaps send no commands. Raises
    CannotSend."""
    password = device.attributes.get(PASSWORD)
    if not isinstance(password, str | int) or isinstance(password, bool):
        return ""
    password = str(password)
    if password and not PLAIN_PASSWORD.fullmatch(password):
        raise CannotSend(f"the device's {PASSWORD} has other than letters and digits, or more than {LONGEST_PASSWORD} of them")
    return password


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
