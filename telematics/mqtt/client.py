"""One connection to the broker, and how it is kept.

aiomqtt, with what it has no door to: acknowledging by hand (paho's `manual_ack`), what the broker says of itself in CONNACK, and
messages as they come instead of a queue. Its socket can be left unread, which makes the broker wait: a slow database fills the
broker's own queue. (Receive Maximum says the same to it, but Mosquitto 2.0 sends more than it was told it may.)
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt
import structlog
from aiomqtt import ProtocolVersion
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, ConnectFlags, MQTTMessage
from paho.mqtt.client import Client as Paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from telematics.config import MqttSettings
from telematics.tasks import end

log = structlog.get_logger(__name__)

FIRST_S, LONGEST_S = (
    0.5,
    60.0,
)  # between tries to connect: twice as long each time, and less by chance, so that not all come at once
STEADY_S = 2 * LONGEST_S  # a connection that holds for longer is one; two servers of one name throw each other out before
ANSWER_S = 5.0  # for the broker to answer
KEEPALIVE_S = 60  # and as long again: a socket that isn't read for longer is closed
LARGEST_PACKET_BYTES = 1 << 20  # the broker keeps larger ones to itself
IN_FLIGHT = 50  # of our own messages, before the broker has acknowledged the first
OLD_BROKER = (1, 132)  # CONNACK's "unsupported protocol version", of MQTT 3.1.1 and 5
REFUSES_US = (4, 5, 134, 135)
UNSPECIFIED = 128  # DISCONNECT's "unspecified error"
TAKEN_OVER = 142  # DISCONNECT's "session taken over"
CONNECTED = "connected to the MQTT broker"
MANY_BRIEF = 2  # connections lost before they were steady: more are no accident
LOGGED = 20  # lines remembered, so that none is logged twice

Heard = Callable[["Client", MQTTMessage], None]
Work = Callable[["Client"], Coroutine[Any, Any, None]]


class Client(aiomqtt.Client):
    """`heard` is called with each message. Those of QoS 1 are acknowledged by `acknowledge` alone."""

    def __init__(
        self, settings: MqttSettings, version: ProtocolVersion, name: str, *, heard: Heard, keep_s: int, will: aiomqtt.Will | None
    ) -> None:
        if settings.url is None:
            raise ValueError("mqtt.url is not set")
        url = urlsplit(settings.url.get_secret_value())
        tls = url.scheme == "mqtts"
        five = version is ProtocolVersion.V5
        super().__init__(
            url.hostname or "",
            url.port or (8883 if tls else 1883),
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
            identifier=name,
            protocol=version,
            will=will,
            clean_session=None if five else not keep_s,
            clean_start=not keep_s if five else MQTT_CLEAN_START_FIRST_ONLY,
            timeout=ANSWER_S,
            keepalive=KEEPALIVE_S,
            properties=_properties(settings, keep_s) if five else None,
            tls_context=_tls(settings) if tls else None,
            max_inflight_messages=IN_FLIGHT,
        )
        self.pending_calls_threshold = 2 * IN_FLIGHT
        self._client.manual_ack_set(True)
        self._heard = heard
        self._said: Properties | None = None
        self._window = asyncio.Semaphore(IN_FLIGHT)
        self.five = five
        self.refusals = 0  # of what we published; MQTT 3.1.1 doesn't tell
        self.refusal = ""  # why the last one
        self.unacknowledged: dict[int, float] = {}  # packet id → when it came, in monotonic seconds; the oldest first
        self._holding: set[str] = set()  # why the socket isn't read now

    @property
    def shares(self) -> bool:
        """Whether the broker splits messages among those that subscribe to `$share/GROUP/…`; MQTT 5 says so if it doesn't."""
        return self.five and getattr(self._said, "SharedSubscriptionAvailable", 1) != 0

    def acknowledge(self, packet_id: int) -> None:
        """The broker may forget it. Nothing happens on a lost connection: the broker will send it again."""
        if self.unacknowledged.pop(packet_id, None) is not None and not self._disconnected.done():
            self._client.ack(packet_id, 1)

    def hold(self, reason: str) -> None:
        """Read nothing more, until `release` was said for each reason."""
        sock = self._client.socket()
        if not self._holding and sock is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock.fileno())
        self._holding.add(reason)

    def release(self, reason: str) -> None:
        if reason in self._holding:
            self._holding.discard(reason)
            sock = self._client.socket()
            if not self._holding and sock is not None and sock.fileno() >= 0 and not self._disconnected.done():
                self._loop.add_reader(sock.fileno(), self._read)
                self._loop.call_soon(self._read)  # TLS may have taken from the socket what is still to be read

    def _read(self) -> None:
        """As aiomqtt reads, but only for as long as nobody holds it."""
        try:
            while not self._holding and (sock := self._client.socket()) is not None:
                self._client.loop_read()
                if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                    break
        except Exception as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    async def send(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Until the broker has taken it. Raises MqttError."""
        async with self._window:
            await self.publish(topic, payload, qos=1, retain=retain)

    async def lost(self) -> None:
        """Until the connection is; raises MqttError with the reason."""
        await asyncio.wait([self._disconnected])
        self._disconnected.result()

    def abandon(self) -> None:
        """Of a connection that was never made whole: close its socket."""
        with suppress(Exception):
            self._client.disconnect()

    def _on_connect(
        self, client: Paho, userdata: object, flags: ConnectFlags, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        self._said = properties
        self._window = asyncio.Semaphore(min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT)))  # paho doesn't look
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(self, client: Paho, userdata: object, mid: int, reason_code: ReasonCode, properties: Properties) -> None:
        if refused(reason_code):
            self.refusals += 1
            self.refusal = str(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_message(self, client: Paho, userdata: object, message: MQTTMessage) -> None:
        if message.qos:
            self.unacknowledged[message.mid] = time.monotonic()
        try:
            self._heard(self, message)
        except Exception:  # one message must not end the connection that all come by
            log.exception("a message could not be taken", topic=message._topic[:200])


def _properties(settings: MqttSettings, keep_s: int) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = keep_s
    properties.ReceiveMaximum = settings.waiting_messages
    properties.MaximumPacketSize = LARGEST_PACKET_BYTES
    return properties


def _tls(settings: MqttSettings) -> ssl.SSLContext:
    """Raises OSError, of a file that can't be read or isn't PEM."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context


class Link:
    """The way to the broker, for one of our two directions. `trouble` says why there is no connection; None: there is one.

    A connection that was lost soon after it was made is believed when it is steady: until then the trouble stays what it was, the
    tries come less and less often, and no line is logged a second time."""

    def __init__(
        self,
        settings: MqttSettings,
        name: str,
        *,
        heard: Heard = lambda client, message: client.acknowledge(message.mid),
        keep_s: int = 0,
        will: aiomqtt.Will | None = None,
    ) -> None:
        self._settings = settings
        self._name = name
        self._heard = heard
        self._keep_s = keep_s
        self._will = will
        self.ready: Callable[[], Awaitable[None]] | None = None  # awaited before each connection
        self.version = ProtocolVersion.V5
        self.client: Client | None = None  # while connected
        self.trouble: str | None = "not connected yet"
        self._tries = 0
        self._refusal = ""  # of what the last connection published: Mosquitto 2.0.11 ends the connection after it
        self._brief = 0  # connections that were lost before they were steady, one after the other
        self._logged = deque[str](maxlen=LOGGED)  # since the last steady one
        self._logged_s = 0.0  # when the last of them was, monotonic

    async def run(self, work: Work) -> None:
        """Connect, work, and again when the connection is lost or the work ends."""
        while True:
            self._refusal = ""
            if self.ready is not None:
                await self.ready()
            try:
                async with self.connected() as client:
                    await _until_lost(client, work)
            except (aiomqtt.MqttError, OSError) as error:
                if self.is_too_new(error):
                    self.version = ProtocolVersion.V311
                told = sentence(error, self._settings, self._name if self._brief > MANY_BRIEF else "")
                self._tell(refusal(self._refusal, self._settings) if self._refusal else told)
            except Exception as error:  # trackers with sockets have nothing to do with it
                log.exception("MQTT failed", client_id=self._name)
                self._tell(f"a mistake of ours: {error!r}")
            delay_s = min(LONGEST_S, FIRST_S * 2**self._tries)
            self._tries = min(self._tries + 1, 10)
            await asyncio.sleep(random.uniform(delay_s / 2, delay_s))  # noqa: S311 - nobody gains by guessing it

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """A connection for as long as the block lasts. Raises MqttError, or OSError of a file for TLS."""
        client = Client(self._settings, self.version, self._name, heard=self._heard, keep_s=self._keep_s, will=self._will)
        await _enter(client)
        if client._client.socket() is None:  # aiomqtt forgets an end that comes right behind the beginning
            raise aiomqtt.MqttError("the connection is lost")
        self.client = client
        if self._brief < MANY_BRIEF:
            self.trouble = None
        if CONNECTED not in self._logged:
            self._log_connected()
        self._brief += 1
        steady = asyncio.get_running_loop().call_later(STEADY_S, self._steady)
        try:
            yield client
        finally:
            steady.cancel()
            self._refusal = client.refusal
            self.client, self.trouble = None, self.trouble or "the connection is lost"
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            if client._disconnected.done():
                client._disconnected.exception()  # nobody may have asked for it

    def is_too_new(self, error: Exception) -> bool:
        return self.version is ProtocolVersion.V5 and isinstance(error, MqttConnectError) and _code(error) in OLD_BROKER

    def _steady(self) -> None:
        self._tries = self._brief = 0
        self.trouble = None
        if not self._logged or self._logged[-1] != CONNECTED:
            self._log_connected()
        self._logged.clear()

    def _log_connected(self) -> None:
        log.info(CONNECTED, client_id=self._name, version=self.version.name)
        self._note(CONNECTED)

    def _tell(self, trouble: str) -> None:
        """A line that was logged before is logged again where the last one would leave a wrong impression."""
        self.trouble = trouble
        wrong = bool(self._logged) and self._logged[-1] == CONNECTED and time.monotonic() - self._logged_s > STEADY_S
        if trouble not in self._logged or wrong:
            log.warning("no connection to the MQTT broker", client_id=self._name, reason=trouble)
            self._note(trouble)

    def _note(self, line: str) -> None:
        self._logged.append(line)
        self._logged_s = time.monotonic()


async def _until_lost(client: Client, work: Work) -> None:
    """aiomqtt waits for the answers of a lost connection until it is tired of it; we don't."""
    tasks = [asyncio.create_task(client.lost()), asyncio.create_task(work(client))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await end(tasks)


async def _enter(client: Client) -> None:
    """Connecting goes on in a thread, which doesn't hear of a cancellation: its socket is waited for, and closed."""
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        await asyncio.wait([entering], timeout=2 * ANSWER_S + 1)
        client.abandon()
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        raise
    except BaseException:
        client.abandon()
        raise


def sentence(error: Exception, settings: MqttSettings, name: str = "") -> str:
    """What is wrong, and what to do about it; without the password. `name`: ours, where connections are lost again and again."""
    url = urlsplit(settings.url.get_secret_value() if settings.url else "")
    where = f"{url.hostname}:{url.port or (8883 if url.scheme == 'mqtts' else 1883)}"
    code = _code(error)
    reason = getattr(error, "rc", None)
    told = str(reason if isinstance(reason, ReasonCode) else error)
    if code == UNSPECIFIED and not isinstance(error, MqttConnectError):  # what paho makes of a socket that was closed
        told = "the connection is lost"
    if isinstance(error, MqttConnectError) and code in REFUSES_US:
        return f"the broker at {where} refuses us ({told}): correct user and password in mqtt.url"
    if code == TAKEN_OVER:
        return f"another client has our name at the broker at {where}: give each server a mqtt.client_id of its own"
    if name and isinstance(error, aiomqtt.MqttCodeError) and not isinstance(error, MqttConnectError):
        return (
            f"the broker at {where} ends each connection ({told}): is there another client by the name of {name},"
            " or a topic that our user may not write?"
        )
    return f"the broker at {where}: {told}"


def refusal(why: str, settings: MqttSettings) -> str:
    """What to do where our messages are not taken."""
    return f"the broker refuses what we publish ({why}): let our user write {settings.prefix}/# and {settings.discovery_prefix}/#"


def _code(error: Exception) -> int | None:
    reason = getattr(error, "rc", None)
    return reason.value if isinstance(reason, ReasonCode) else reason


def refused(code: int | ReasonCode) -> bool:
    """Of a SUBACK."""
    return (code.value if isinstance(code, ReasonCode) else code) >= 128
