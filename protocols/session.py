"""How a protocol meets the server: sessions cut bytes into frames, codecs turn many frames into columns.

```
bytes ─ Session.receive ─ Received ┬ reply    written at once (heartbeats)
                                   ├ login    who claims to be talking: answer with Session.admit
                                   ├ frames   ─ Codec.decode ─ Decoded.columns ─ commit ─ Frame.ack is written
                                   ├ answers  its word on our commands
                                   └ rejects  dead letters
```
Both are pure: no sockets, no clocks, no database. The same bytes give the same frames however they were cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import msgspec

from protocols.columns import Columns
from protocols.commands import Answer, Command
from protocols.errors import BadFrame
from protocols.frames import Frame


class Received(msgspec.Struct):
    """What came of some bytes. When `login` is set, bytes behind it wait inside the session for `admit`."""

    reply: bytes = b""
    frames: list[Frame] = []
    login: str | None = None
    rejects: list[BadFrame] = []
    close: bool = False  # the rest of the stream can't be read: write the reply, then hang up
    answers: list[Answer] = []  # to commands; as a rule they are stored as reports as well, with the text as `result`


class Session(Protocol):
    """One connection, or one datagram. Never raises and never waits, whatever the bytes."""

    def receive(self, data: bytes) -> Received:
        """Take what was read; keep what is not yet a whole frame. Not to be called while a login waits for `admit`."""
        ...

    def admit(self, known: bool) -> Received:
        """Whether the tracker named in the last `login` is one of ours. Answers it and goes on with the bytes behind it."""
        ...


@runtime_checkable
class Commanded(Session, Protocol):
    """The session of a protocol that takes commands."""

    def command(self, command: Command, serial: int, password: str) -> bytes:
        """The bytes that tell the tracker to do so. `serial` is 1 to 65535 and comes back in `Answer.serial` where the protocol
        has room for it; `password` is the tracker's own, empty when none is set. Raises CannotSend."""
        ...


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame that passed its checksum but can't be read. It becomes a dead letter; as it is kept, it is acknowledged."""

    frame: int  # its place among the frames given to decode
    reason: str
    ack: bytes | None = None  # written instead of the frame's own; None: the frame's own


@dataclass(frozen=True, slots=True)
class Decoded:
    columns: Columns
    unreadable: Sequence[Unreadable] = ()


@dataclass(frozen=True, slots=True)
class Codec:
    """A protocol as the server sees it."""

    name: str
    port: int  # as in Traccar
    transports: tuple[Literal["tcp", "udp"], ...]
    largest_frame_bytes: int  # a longer one is refused by the session with `close`
    session: Callable[[], Session]
    datagram: Callable[[], Session] | None  # for udp, where each datagram is whole; None: tcp only
    decode: Callable[[Sequence[Frame]], Decoded]  # frames of any kinds and trackers; never raises on their bytes
    makers: str  # who makes such trackers, for the docs
    source: str  # the manual or page that the layout was taken from
    models: str = ""  # some of them by name, for the docs
    reads: str = ""  # what is read in its reports beside place and time, for the docs
    http: bool = False  # its messages are HTTP requests
    commands: tuple[str, ...] = ()  # types in `commands.TYPES` that its sessions can send; they are `Commanded` then
    answers: bool = True  # trackers answer commands; False: a command is done when it is sent
    unanswered: tuple[str, ...] = ()  # those of the commands that are done when they are sent although others are answered
    sms: Callable[[Command, str], str] | None = None  # a command, and the password, as a text message. Raises CannotSend
