"""What accounts want to be told of, published: each vehicle's newest position and state, retained, and its events.

    PREFIX/ACCOUNT/DEVICE/position    at most once a second, the newest
    PREFIX/ACCOUNT/DEVICE/state       when it changes
    PREFIX/ACCOUNT/DEVICE/event       each, not retained
    PREFIX/status                     "online", and "offline" by our last will

An account has one place on the live bus, so that a slow broker costs a set of numbers and the newest EVENTS_KEPT events. What is
retained is noted, and taken back when the device is removed, blocked or renamed or the account says so; what was retained by an
earlier life of ours and is no longer wanted is looked for at each connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeVar

import aiomqtt
import structlog
from paho.mqtt.client import MQTTMessage

from telematics.config import MqttSettings
from telematics.devices import Device, Devices
from telematics.live import EVENTS_KEPT, Bus, Feed, News
from telematics.mqtt import documents
from telematics.mqtt.client import IN_FLIGHT, Client, Link, refusal, refused
from telematics.mqtt.discovery import POSITION, STATE, Discovery
from telematics.mqtt.metrics import MqttMetrics
from telematics.mqtt.topics import harmless
from telematics.pipeline.state import Latest, StatusName
from telematics.store.records import Event
from telematics.tasks import end

log = structlog.get_logger(__name__)

EVERY_S = 1.0
EVENT = "event"
STALE_KEPT = 10_000  # topics found at a look; where there are more we look again
SWEEP_S = 5.0  # for a broker to tell what it retains
FAREWELL_S = 2.0

NewestOf = Callable[[Iterable[int]], list[Latest]]
StatusOf = Callable[[int], tuple[StatusName, datetime | None]]
Item = TypeVar("Item")


class Out(NamedTuple):
    """A message on its way; an empty payload takes back what is retained there."""

    topic: str
    payload: bytes
    retain: bool = True


class Told(NamedTuple):
    """What others know of a device."""

    account_id: int
    base: str  # its topics' beginning
    announced: tuple[str, str] | None  # to Home Assistant: its name and unique id; None: it isn't


@dataclass(slots=True, eq=False)
class Account:
    """One that publishes."""

    id: int
    feed: Feed
    stack: ExitStack
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))


class Outbound:
    """`follow` with the accounts that publish, whenever they change; `run` for the life of the server."""

    def __init__(
        self, settings: MqttSettings, devices: Devices, bus: Bus, metrics: MqttMetrics, *, latest: NewestOf, status: StatusOf
    ) -> None:
        self._settings = settings
        self._prefix = settings.prefix
        self._status_topic = f"{settings.prefix}/status"
        will = aiomqtt.Will(self._status_topic, b"offline", qos=1, retain=True)
        self.link = Link(settings, f"{settings.client_id}-out", heard=self._found, will=will)
        self._devices = devices
        self._bus = bus
        self._metrics = metrics
        self._latest = latest
        self._status = status
        self._discovery = Discovery(settings.discovery_prefix, settings.prefix)
        self._discovers: dict[int, bool] = {}  # accounts that publish; whether to Home Assistant as well
        self._accounts: dict[int, Account] = {}  # and those that are being taken back
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()  # one account after the other: the messages of all at once are too many
        self._told: dict[int, Told] = {}  # by device
        self._announced: set[int] = set()  # to Home Assistant, by this connection
        self._bases: set[str] = set()  # of what may be retained, while we look
        self._stale: deque[str] = deque(maxlen=STALE_KEPT)
        self._refused: str | None = None  # why this connection's messages are

    @property
    def wanted(self) -> bool:
        """Whether anybody publishes."""
        return bool(self._accounts)

    @property
    def trouble(self) -> str | None:
        """Why nothing goes out, if that is so."""
        return (self.link.trouble or self._refused) if self.wanted else None

    def follow(self, discovers: dict[int, bool]) -> None:
        """The accounts that publish, and whether they do to Home Assistant."""
        changed = {key for key in {*discovers, *self._discovers} if discovers.get(key) != self._discovers.get(key)}
        self._discovers = discovers
        for account_id in changed:
            if account_id not in self._accounts:
                self._accounts[account_id] = self._account(account_id)
        self._look_again([self._accounts[account_id] for account_id in changed])
        if changed:
            self._changed.set()

    def _account(self, account_id: int) -> Account:
        def sees(device_id: int) -> bool:
            device, told = self._devices.get(device_id), self._told.get(device_id)
            return (device is not None and device.account_id == account_id) or (
                told is not None and told.account_id == account_id
            )

        stack = ExitStack()
        return Account(account_id, stack.enter_context(self._bus.subscribe(sees, account_id)), stack)

    def _look_again(self, accounts: Collection[Account]) -> None:
        ids: dict[int, list[int]] = {account.id: [] for account in accounts}
        for device in self._devices:
            if device.account_id in ids:
                ids[device.account_id].append(device.id)
        for device_id, told in self._told.items():
            if told.account_id in ids:
                ids[told.account_id].append(device_id)
        for account in accounts:
            account.feed.offer(positions=ids[account.id], devices=ids[account.id])

    # the connection

    async def run(self) -> None:
        while not self.wanted:
            await self._changed.wait()
            self._changed.clear()
        await self.link.run(self._publish)

    async def say_goodbye(self) -> None:
        """The last will isn't told of those who leave in peace."""
        if self.link.client is not None:
            with suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self.link.client.publish(self._status_topic, b"offline", qos=1, retain=True)

    async def _publish(self, client: Client) -> None:
        """For as long as the connection lasts."""
        tasks: dict[object, asyncio.Task[None]] = {}
        try:
            self._announced.clear()
            self._refused = None
            await self._send(client, [Out(self._status_topic, b"online")])
            tasks["sweep"] = asyncio.create_task(self._sweep(client))
            self._look_again(self._accounts.values())  # the broker may have forgotten it all
            while True:
                self._changed.clear()
                for account in self._accounts.values():
                    if account.id not in tasks:
                        tasks[account.id] = asyncio.create_task(self._follow(client, account))
                changed = tasks["changed"] = asyncio.create_task(_wait(self._changed))
                await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
                await end([changed])
                for key in [key for key, task in tasks.items() if task.done()]:
                    task = tasks.pop(key)
                    if not task.cancelled():
                        task.result()
        finally:
            await end(tasks.values())
            await asyncio.gather(*tasks.values(), return_exceptions=True)  # of a lost connection nobody asks what the others say

    async def _follow(self, client: Client, account: Account) -> None:
        """What becomes of an account's devices, until it publishes no more and all is taken back."""
        while True:
            if not account.events:  # else a lost connection left some
                news = await account.feed.wait()
                account.events.extend(news.events)
                await self._tell(client, account, news)
            await self._tell_events(client, account)
            if account.id not in self._discovers and not any(told.account_id == account.id for told in self._told.values()):
                account.stack.close()
                del self._accounts[account.id]
                return
            await account.feed.pause(EVERY_S)

    async def _tell(self, client: Client, account: Account, news: News) -> None:
        try:
            for some in _batched(sorted(news.devices | news.positions)):
                async with self._turn:
                    messages = [message for device_id in some for message in self._of_device(device_id, account, news)]
                    await self._send(client, messages)
        except BaseException:  # what was taken from the bus goes back there
            account.feed.offer(positions=news.positions, devices=news.devices)
            raise

    async def _tell_events(self, client: Client, account: Account) -> None:
        while account.events:
            async with self._turn:
                some = [account.events[place] for place in range(min(len(account.events), IN_FLIGHT))]
                await self._send(client, [message for event in some for message in self._of_event(event, account)])
            for event in some:
                if account.events and account.events[0] is event:  # not pushed out meanwhile by newer ones
                    account.events.popleft()

    async def _send(self, client: Client, messages: Sequence[Out]) -> None:
        """All of them, and taken by the broker. Raises MqttError."""
        for some in _batched(messages):
            try:
                await asyncio.gather(*(client.send(topic, payload, retain=retain) for topic, payload, retain in some))
                self._metrics.published += len(some) - client.refusals
            finally:
                if client.refusals:
                    self._metrics.refused += client.refusals
                    client.refusals = 0
                    self._is_refused(client)

    def _is_refused(self, client: Client) -> None:
        trouble = refusal(client.refusal, self._settings)
        if self._refused is None:
            log.warning("the MQTT broker refuses what we publish", reason=trouble)
        self._refused = trouble

    # what is told

    def _wish(self, device: Device | None) -> Told | None:
        """What others are to know of it; None: nothing. Of a blocked device nobody knows anything."""
        if device is None or device.blocked is not None or device.account_id not in self._discovers:
            return None
        announced = (device.name, device.unique_id) if self._discovers[device.account_id] else None
        return Told(device.account_id, f"{self._prefix}/{device.account_id}/{harmless(device.unique_id)}", announced)

    def _of_device(self, device_id: int, account: Account, news: News) -> list[Out]:
        device, told = self._devices.get(device_id), self._told.get(device_id)
        if told is not None and told.account_id != account.id:
            return []  # it was another account's, which takes it back first
        wish = self._wish(device)
        if device is not None and device.account_id != account.id:
            wish = None
        messages: list[Out] = []
        if told is not None and (wish is None or wish.base != told.base):
            messages += [Out(f"{told.base}/{STATE}", b""), Out(f"{told.base}/{POSITION}", b"")]
        if told is not None and told.announced and (wish is None or not wish.announced):
            messages += [Out(topic, b"") for topic in self._discovery.topics(device_id)]
        if wish is None:
            self._told.pop(device_id, None)
            self._pass_on(device, account)
            return messages
        assert device is not None
        if wish.announced and (device_id not in self._announced or told is None or told[1:] != wish[1:]):
            self._announced.add(device_id)
            messages += [Out(topic, payload) for topic, payload in self._discovery.messages(device, wish.base)]
        if device_id in news.devices:
            messages.append(Out(f"{wish.base}/{STATE}", documents.state(device, *self._status(device_id))))
        if device_id in news.positions or told is None or told.base != wish.base:
            messages += [Out(f"{wish.base}/{POSITION}", documents.position(device, one)) for one in self._latest([device_id])]
        self._told[device_id] = wish
        self._bases.add(wish.base)
        return messages

    def _pass_on(self, device: Device | None, account: Account) -> None:
        """To the account that it was moved to, which waited until it was taken back here."""
        if device is not None and device.account_id != account.id and (new := self._accounts.get(device.account_id)) is not None:
            new.feed.offer(positions=[device.id], devices=[device.id])

    def _of_event(self, event: Event, account: Account) -> list[Out]:
        """None of a device that has become another account's."""
        device = self._devices.get(event.device_id)
        wish = self._wish(device)
        if device is None or wish is None or wish.account_id != account.id:
            return []
        return [Out(f"{wish.base}/{EVENT}", documents.event(device, event), retain=False)]

    # what an earlier life left behind

    async def _sweep(self, client: Client) -> None:
        """Ask the broker what it retains of ours, and take back what nobody wants any more."""
        topics = [f"{self._prefix}/+/+/{POSITION}", f"{self._prefix}/+/+/{STATE}", self._discovery.filter]
        full = True
        while full:
            self._bases = self._wished_bases()
            self._stale.clear()
            for topic in topics:
                if any(map(refused, await client.subscribe(topic, qos=0))):
                    log.warning("the MQTT broker doesn't show us what it retains: nothing old is taken back", topic=topic)
            await asyncio.sleep(SWEEP_S)
            for topic in topics:
                await client.unsubscribe(topic)
            full = len(self._stale) == STALE_KEPT and self._refused is None
            self._bases = self._wished_bases()  # somebody may have been added meanwhile
            for some in _batched(self._stale):
                await self._send(client, [Out(topic, b"") for topic in some if self._is_stale(topic)])

    def _wished_bases(self) -> set[str]:
        return {wish.base for device in self._devices if (wish := self._wish(device)) is not None}

    def _found(self, client: Client, message: MQTTMessage) -> None:
        topic = message._topic.decode("utf-8", "replace")
        if message.retain and message.payload and self._is_stale(topic):
            self._stale.append(topic)

    def _is_stale(self, topic: str) -> bool:
        """Something of ours that isn't a device's of now."""
        if topic.startswith(f"{self._prefix}/"):
            return topic.rpartition("/")[0] not in self._bases
        device_id = self._discovery.device_of(topic)
        if device_id is None:
            return False
        wish = self._wish(self._devices.get(device_id))
        return wish is None or wish.announced is None or topic not in self._discovery.topics(device_id)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _batched(given: Iterable[Item]) -> list[Sequence[Item]]:
    items = list(given)
    return [items[start : start + IN_FLIGHT] for start in range(0, len(items), IN_FLIGHT)]
