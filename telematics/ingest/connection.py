"""Whoever talks to us: what their session says is done here, and nowhere else.

All of it runs once per packet, 100,000 times a second when it has to; `Tracker.data_received` itself costs some 0.2 µs beside
what its session and the intake cost.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from math import inf
from typing import TYPE_CHECKING, cast

import structlog

from protocols import ANSWER, BadFrame, Codec, Frame, Received, Session
from telematics.ingest.crowd import Crowd, Cutoffs, plain, printable
from telematics.ingest.metrics import Counts
from telematics.ingest.taps import Overheard

if TYPE_CHECKING:
    from telematics.devices import Device
    from telematics.ingest.batch import Intake

log = structlog.get_logger()

WRITE_HIGH_BYTES = 32 * 1024  # not taken by the peer: thousands of acks. Past it we stop reading him, so that no more are earned
LAST = Frame(kind=ANSWER, payload=b"", last=True)  # keeps its turn behind everything handed over before, then hangs up

NOT_WRITTEN, NO_LOGIN, IDLE = "does not take what is written", "no login in time", "idle"
BEFORE_LOGIN, STRANGER = "before login", "unknown tracker"


class Speaker(ABC):
    """Somebody who sends us bytes, by connection or datagram: a `batch.Source`."""

    __slots__ = (
        "address",
        "called",
        "codec",
        "counts",
        "device",
        "handed_over",
        "intake",
        "session",
        "several",
        "spoke_for",
        "stranger",
    )

    lasting = True  # it can be told something as long as it is there; False: only for a while

    def __init__(self, codec: Codec, session: Session, intake: Intake, counts: Counts) -> None:
        self.codec = codec
        self.session = session
        self.intake = intake
        self.counts = counts
        self.address = ""  # printable, with the port
        self.device: Device | None = None  # who logged in last
        self.stranger = False  # who logged in last is none of ours
        self.handed_over = False  # something of his is, or was, in the pipeline
        self.called = ""  # what who spoke last calls itself
        self.several = False  # more than one tracker has spoken here
        self.spoke_for: set[int] = set()  # devices

    def hear(self, data: bytes) -> None:
        """Some bytes, cut as the network cut them."""
        self.counts.bytes_in += len(data)
        try:
            at = time.time() if self.intake.taps else 0.0
            received = self.session.receive(data)
            heard = [(self.called, received)] if at else None
            while (unique_id := self._obey(received)) is not None:
                received = self._log_in(unique_id)
                if heard is not None:
                    heard.append((unique_id, received))
            if heard is not None:
                self._overheard(data, at, heard)
        except Exception:  # sessions don't raise; should one, its tracker pays for it, and not all those of the port
            log.exception("session failed", protocol=self.codec.name, address=self.address, data=data[:256].hex())
            self.counts.refuse("connection", "session failed")
            self.hang_up()

    def _obey(self, received: Received) -> str | None:
        """Do what the session says. The login that waits for `admit`, if there is one."""
        if received.reply:
            self.say(received.reply)
        if received.frames:
            self._hand_over(received.frames)
        elif received.reply and self.device is not None:
            self.intake.heard(self.device)  # a heartbeat: answered already, but it shows that the tracker is there
        if received.answers and self.device is not None:
            self.intake.reach.tell(self.device.id, received.answers)
        if received.rejects:
            self.counts.refuse("frame", "unreadable", len(received.rejects))
            self.intake.reject(self, received.rejects)
        if received.close:
            self.finish()
            return None
        return received.login

    def _hand_over(self, frames: list[Frame]) -> None:
        if self.device is None:
            frames = self._answers(frames)
            if not frames:
                return
        self.counts.frames += len(frames)
        self.handed_over = True
        self.intake.add(self, frames)

    def _answers(self, frames: list[Frame]) -> list[Frame]:
        """What may go on from somebody we don't know: answers, which hold no report and only keep their turn.

        A stranger's reports are dropped, as he is on the list of unknown trackers; those of somebody who never said who he is
        become dead letters."""
        reports = [frame for frame in frames if frame.kind != ANSWER]
        if reports:
            self.counts.refuse("frame", STRANGER if self.stranger else BEFORE_LOGIN, len(reports))
            if not self.stranger:
                self.intake.reject(self, [BadFrame(BEFORE_LOGIN, frame.payload) for frame in reports])
        return [frame for frame in frames if frame.kind == ANSWER]

    def _overheard(self, data: bytes, at: float, heard: list[tuple[str, Received]]) -> None:
        """Somebody listens to some tracker, perhaps this one. Where several speak, perhaps several owners', each one's listeners
        are told of its own frames, and never the bytes, in which the others' are, too."""
        taps = self.intake.taps
        if self.several:
            for called, one in heard:
                if (one.frames or one.rejects) and taps.want(called):
                    taps.note(called, Overheard(at, True, self.codec, self.address, b"", one.frames, one.rejects, shared=True))
        elif taps.want(self.called):
            frames = [frame for _, one in heard for frame in one.frames]
            rejects = [bad for _, one in heard for bad in one.rejects]
            taps.note(self.called, Overheard(at, True, self.codec, self.address, data, frames, rejects))

    def say(self, data: bytes) -> None:
        """To the tracker, now; told to who listens."""
        if self.intake.taps and not self.several and self.intake.taps.want(self.called):
            self.intake.taps.note(self.called, Overheard(time.time(), False, self.codec, self.address, data))
        self.write(data)

    def _log_in(self, unique_id: str) -> Received:
        device = self.intake.lookup(self.codec.name, unique_id, self.address)
        self.several |= self.called not in ("", unique_id)
        self.called = unique_id
        self.name(device)
        if device is not None:
            self.spoke_for.add(device.id)
            self.intake.reach.attach(device.id, self)
        return self.session.admit(device is not None)

    def name(self, device: Device | None) -> None:
        """Who it is that talks from here on; None: nobody of ours."""
        self.device, self.stranger = device, device is None
        if device is None:
            self.counts.refuse("login", STRANGER)
        else:
            self.counts.logins += 1

    @abstractmethod
    def acknowledge(self, ack: bytes, last: bool) -> None:
        """What the tracker was waiting for: its frames are stored. Called once per batch; last: hang up after it."""

    @property
    def listens(self) -> bool:
        """Whether what is said to it has a chance to be heard."""
        return True

    @abstractmethod
    def write(self, data: bytes) -> None:
        """To the tracker, now."""

    @abstractmethod
    def finish(self) -> None:
        """No more bytes are wanted: hang up behind the acknowledgements that are still to come."""

    @abstractmethod
    def hang_up(self) -> None:
        """As soon as what was written has left."""


class Tracker(Speaker, asyncio.Protocol):
    """One connection: the only place where a tracker's bytes meet a socket.

    It is let in when it connects. A door that has to read a PROXY header or to shake hands first (`entrance.Entrance`) does it
    before that, by `arrive` and `come_from`.
    """

    __slots__ = ("_ending", "_heard_s", "_nameless_s", "_stuck_s", "crowd", "entered", "gone", "origin", "transport")

    transport: asyncio.Transport

    def __init__(self, codec: Codec, intake: Intake, counts: Counts, crowd: Crowd) -> None:
        super().__init__(codec, codec.session(), intake, counts)
        self.crowd = crowd
        self.origin = ""  # the network that `crowd` counts it for; empty: none yet
        self.gone = False  # hung up on, or lost: nothing can be written any more
        self.entered = False  # there is a transport
        self._ending = False
        self._heard_s = inf  # when it last said something
        self._nameless_s = inf  # since when we don't know who it is; inf: we do
        self._stuck_s = inf  # since when what is written isn't taken, or an end is waited for; inf: all is well

    # its coming

    def arrive(self) -> bool:
        """Whether there is room for one more."""
        return self._welcome(self.crowd.enter(self))

    def come_from(self, address: tuple[str, int]) -> bool:
        """Whether there is room for one more from there."""
        host, port = address
        self.address = printable(host, port)
        return self._welcome(self.crowd.seat(self, host))

    def _welcome(self, refusal: str | None) -> bool:
        if refusal is not None:
            self.counts.refuse("connection", refusal)
        return refusal is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's don't inherit from it
        if self.origin or (self.arrive() and self.come_from(peer(transport))):
            self._begin()
        else:
            self.gone = True
            self.transport.abort()

    def _begin(self) -> None:
        self.entered = True
        self.transport.set_write_buffer_limits(WRITE_HIGH_BYTES)
        self._heard_s = self._nameless_s = self.crowd.listening_s
        if self.crowd.paused:
            self.settle()
            asyncio.get_running_loop().call_soon(
                self.settle
            )  # uvloop reads after connection_made, once at most, whatever that says

    # its talk

    def data_received(self, data: bytes) -> None:
        self._heard_s = self.crowd.listening_s
        if not self._ending:
            self.hear(data)
        if self.crowd.paused:
            self.settle()

    def acknowledge(self, ack: bytes, last: bool) -> None:
        if ack:
            self.say(ack)
        if last:
            self._take_leave()

    @property
    def listens(self) -> bool:
        return not self.gone and not self._ending and self._stuck_s == inf

    def write(self, data: bytes) -> None:
        if not self.gone:
            self.counts.bytes_out += len(data)
            self.transport.write(data)

    def name(self, device: Device | None) -> None:
        if (device is None) != (self.device is None):
            self._nameless_s = self.crowd.listening_s if device is None else inf
        super().name(device)

    # its waiting

    def settle(self) -> None:
        """Read it, unless the intake is full, it doesn't read us, or its end has begun."""
        if self.entered and not self.gone:
            if self.crowd.paused or self._stuck_s != inf:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def pause_writing(self) -> None:
        if self._stuck_s == inf:
            self._stuck_s = self.crowd.now_s
            self.settle()

    def resume_writing(self) -> None:
        if not self._ending:
            self._stuck_s = inf
            self.settle()

    def overdue(self, cutoffs: Cutoffs) -> str | None:
        """Why it has had its time, if it has."""
        if self._stuck_s < cutoffs.write_s:
            return NOT_WRITTEN
        if self._nameless_s < cutoffs.login_s:
            return NO_LOGIN
        if self._heard_s < cutoffs.idle_s:
            return IDLE
        return None

    # its end

    def eof_received(self) -> bool:
        """It will say no more, but may want to hear what it is owed (over TLS, that can't be)."""
        if not self.gone and self.handed_over:
            self.finish()
        return not self.gone and self.handed_over and self.transport.can_write_eof()

    def finish(self) -> None:
        if not self.handed_over:
            self._take_leave()
        elif not self._ending:
            self._begin_end()
            self.settle()
            self.intake.add(self, [LAST])

    def _take_leave(self) -> None:
        """Our last word is written: discard what still comes until it hangs up itself. (A socket that is closed over unread bytes
        resets the connection, and the last word is lost with it.)"""
        if self.gone or not self.transport.can_write_eof():  # over TLS, "no more from me" can't be said
            self.hang_up()
        else:
            self._begin_end()
            self.gone = True
            self.transport.write_eof()
            self.transport.resume_reading()

    def hang_up(self) -> None:
        if not self.gone:
            self._begin_end()
            self.gone = True
            if self.entered:
                self.transport.close()

    def cut(self) -> None:
        """Hang up at once, whatever is still to be written."""
        self.gone = True
        if self.entered:
            self.transport.abort()

    def _begin_end(self) -> None:
        """The end has its time too: what `write_s` allows."""
        self._ending = True
        self._stuck_s = min(self._stuck_s, self.crowd.now_s)
        self._nameless_s = self._heard_s = inf

    def end(self, reason: str) -> None:
        """It is overdue."""
        if not self.gone:
            self.counts.refuse("connection", reason)
        if reason == NOT_WRITTEN:
            self._stuck_s = inf
            self.cut()
        else:
            self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.intake.reach.leave(self)
        self.crowd.leave(self)


def peer(transport: asyncio.BaseTransport) -> tuple[str, int]:
    """Who is at the other end."""
    address = transport.get_extra_info("peername")
    if not address:  # it has hung up already
        return "unknown", 0
    return plain(address[0]), address[1]
