"""What trackers publish: from the broker into the intake, and acknowledged when it is stored.

While `mqtt.waiting_messages` wait for their commit, or the intake is full, the broker's socket is not read: messages wait in the
broker's own queue. A lost connection is made anew when all that came by the old one is stored, so that little of it comes again.
A message of nobody we know is noted among the unknown trackers and acknowledged. So is one that can't be read, which becomes a
dead letter. Both would come again for ever, and hold up the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import aiomqtt
import msgspec
import structlog
from aiomqtt import ProtocolVersion
from paho.mqtt.client import MQTTMessage
from paho.mqtt.subscribeoptions import SubscribeOptions

from protocols import ANSWER, BadFrame, Codec, Frame, mqtt
from protocols.http import payload
from protocols.reports import CantRead
from telematics.config import MqttSettings
from telematics.ingest.taps import Overheard
from telematics.mqtt.client import Client, Link, refused, sentence
from telematics.mqtt.discovery import Discovery
from telematics.mqtt.metrics import OURS, RETAINED, STRANGER, UNASKED, MqttMetrics
from telematics.mqtt.sources import Source, sources

if TYPE_CHECKING:
    from telematics.devices import Device, Devices
    from telematics.ingest.batch import Intake

log = structlog.get_logger(__name__)

LONGEST_ADDRESS = 200
ACK = b"\0"  # any: the worker tells sources whose frames have something to be written
WINDOW, INTAKE, CLOSING = "too many wait", "intake is full", "server stops"  # why the socket isn't read
SUBSCRIBE_S = 60.0  # the answer comes behind messages that were kept for us
LOOK_S = 0.05
NEVER = 2  # retained messages: what was so at some time, and would come as if it were new
CUT_BYTES = 4096  # of a message that is too large: enough to see what it is


class Message:
    """One message: a `batch.Source`."""

    __slots__ = ("_client", "_packet_id", "_stored", "address", "codec", "device")

    def __init__(self, client: Client, packet_id: int, topic: str, stored: Callable[[Client], None]) -> None:
        self.codec: Codec = mqtt.CODEC
        self.device: Device | None = None
        self.address = topic[:LONGEST_ADDRESS]
        self._client = client
        self._packet_id = packet_id  # 0: of QoS 0, which waits for nothing
        self._stored = stored

    def acknowledge(self, ack: bytes, last: bool) -> None:
        self._client.acknowledge(self._packet_id)
        self._stored(self._client)


class Inbound:
    """`run` for the life of the server; `quiet` to take nothing new, while what is committed is still acknowledged."""

    def __init__(self, settings: MqttSettings, intake: Intake, devices: Devices, metrics: MqttMetrics) -> None:
        self.sources = sources(settings.sources)
        self.link = Link(settings, f"{settings.client_id}-in", heard=self._heard, keep_s=settings.keep_s)
        self._settings = settings
        self._intake = intake
        self._devices = devices
        self._metrics = metrics
        self.subscribed = False
        self._ours = Discovery(settings.discovery_prefix, settings.prefix)
        self._deaf = False
        self._client: Client | None = None  # the last one
        self.link.ready = self._ready
        intake.subscribe(self._hold, self._release)

    async def run(self) -> None:
        await self.link.run(self._subscribed)

    def quiet(self) -> None:
        self._deaf = True
        if self.link.client is not None:
            self.link.client.hold(CLOSING)

    def _hold(self) -> None:
        if self.link.client is not None:
            self.link.client.hold(INTAKE)

    def _release(self) -> None:
        if self.link.client is not None:
            self.link.client.release(INTAKE)

    async def _ready(self) -> None:
        """Looked for, as it is rare: between two connections."""
        while self._intake.full or (self._client is not None and self._client.unacknowledged):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)

    async def _subscribed(self, client: Client) -> None:
        """For as long as the connection lasts."""
        shared = f"$share/{self._settings.share}/" if self._settings.share and client.shares else ""
        for source in self.sources:
            if shared:
                await client.unsubscribe(source.filter, timeout=SUBSCRIBE_S)  # of a time when it wasn't
            await _subscribe(client, shared + source.filter)
        self.subscribed = True
        try:
            await asyncio.Event().wait()
        finally:
            self.subscribed = False

    def _heard(self, client: Client, message: MQTTMessage) -> None:
        packet_id = message.mid if message.qos else 0
        if self._deaf:
            client.unacknowledged.pop(packet_id, None)  # it stays the broker's
            return
        self._client = client
        self._metrics.received += 1
        if len(client.unacknowledged) >= self._settings.waiting_messages:
            client.hold(WINDOW)
        topic = message._topic.decode("utf-8", "replace")
        data = bytes(message.payload)
        taken = Message(client, packet_id, topic, self._stored)
        try:
            handed_over = not self._is_old(message, topic) and self._take(taken, topic, data)
        except Exception as error:  # readers don't raise anything else; should one, its message is set aside
            log.exception("a message could not be read", topic=topic)
            self._reject(taken, f"the reader failed: {error!r}", data)
            handed_over = False
        if packet_id and not handed_over:
            taken.device = None
            self._intake.add(taken, [Frame(ANSWER, b"", ACK)])  # in its turn: behind its dead letter, and those that came before

    def _stored(self, client: Client) -> None:
        if len(client.unacknowledged) <= self._settings.waiting_messages // 2:
            client.release(WINDOW)

    def _is_old(self, message: MQTTMessage, topic: str) -> bool:
        """Retained, though we asked for none, as MQTT 3.1.1 has no word for it; or ours, where a pattern is wide."""
        if message.retain:
            self._metrics.drop(RETAINED)
        elif self._ours.owns(topic):
            self._metrics.drop(OURS)
        else:
            return False
        return True

    def _take(self, taken: Message, topic: str, data: bytes) -> bool:
        """Hand its reports over. Whether the last of their frames brings the acknowledgement."""
        source, name = self._source(topic)
        if source is None or not data:  # an empty one takes back what a broker had retained
            self._metrics.drop(UNASKED)
            return False
        taken.device = self._known(name)
        try:
            said = [(whose, Frame("location", payload(reports))) for whose, reports in source.read(topic, data)]
        except CantRead as error:
            self._reject(taken, str(error), data)
            self._note(taken, name, data, rejects=[BadFrame(str(error), data)])
            return False
        taken.codec = source.kind.codec
        if self._intake.taps:
            several = len({whose for whose, _ in said}) > 1  # perhaps several owners', who don't read each other's reports
            for whose, frame in said:
                self._note(taken, whose, data, [frame], shared=several)
        ours = []
        for whose, frame in said:
            device = self._intake.lookup(taken.codec.name, whose, taken.address)
            if device is None:
                self._metrics.drop(STRANGER)
            else:
                ours.append((device, frame))
        for place, (device, frame) in enumerate(ours, 1):
            taken.device = device
            self._intake.add(taken, [msgspec.structs.replace(frame, ack=ACK) if place == len(ours) else frame])
        return bool(ours)

    def _note(
        self,
        taken: Message,
        whose: str,
        data: bytes,
        frames: Sequence[Frame] = (),
        rejects: Sequence[BadFrame] = (),
        shared: bool = False,
    ) -> None:
        """For whoever listens in on that tracker."""
        if self._intake.taps:
            said = Overheard(time.time(), True, taken.codec, taken.address, data, frames, rejects, shared)
            self._intake.taps.note(whose, said)

    def _source(self, topic: str) -> tuple[Source | None, str]:
        for source in self.sources:
            name = source.names(topic)
            if name is not None:
                return source, name
        return None, ""

    def _known(self, name: str) -> Device | None:
        """Whose dead letter it would be."""
        return self._devices.named(name) if name else None

    def _reject(self, taken: Message, reason: str, data: bytes) -> None:
        self._metrics.dead += 1
        taken.codec = mqtt.CODEC  # which reads them all again when asked to
        self._intake.reject(taken, [BadFrame(reason, data if len(data) <= mqtt.LARGEST_BYTES else data[:CUT_BYTES])])


async def _subscribe(client: Client, topic: str) -> None:
    how: dict[str, Any] = {"options": SubscribeOptions(qos=1, retainHandling=NEVER)} if client.five else {"qos": 1}
    codes = await client.subscribe(topic, timeout=SUBSCRIBE_S, **how)
    if any(refused(code) for code in codes):
        raise aiomqtt.MqttError(f"it doesn't let us subscribe to {topic}: {codes[0]}")


async def probe(settings: MqttSettings) -> str | None:
    """What is wrong with the way to the broker; None: all is well. Nothing is taken from it."""
    link = Link(settings, f"{settings.client_id}-doctor", heard=lambda client, message: None)
    for version in (ProtocolVersion.V5, ProtocolVersion.V311):
        link.version = version
        try:
            async with link.connected() as client:
                for source in sources(settings.sources):
                    await _subscribe(client, source.filter)
            return None
        except (aiomqtt.MqttError, OSError) as error:
            if not link.is_too_new(error):
                return sentence(error, settings)
    return "the broker knows neither MQTT 5 nor 3.1.1"
