"""What can be wrong with bytes, chosen by what the reader does next.

ProtocolError            catching it is always enough
├── CannotSend           a command has no words in this protocol: say so to whoever gave it (`commands.py`)
├── WrongParameter       a command from outside is wrong: say so to whoever wrote it (`commands.py`)
├── BadFrame             no manual allows these bytes: kept as a dead letter with the reason, never acknowledged
└── UnknownProtocol      the caller named a protocol that is not in `protocols.CODECS`

Sessions and decoders do not raise on a tracker's bytes: a `BadFrame` travels as a value in `Received.rejects`, so that one bad
frame costs nothing to the good ones that came in the same read.
"""

from __future__ import annotations

from protocols.frames import Frame


class ProtocolError(Exception):
    """Root of protocols/: catching it is always enough."""


class BadFrame(ProtocolError):
    """No manual allows these bytes. They go to the dead letters; the hex in the message is ready to become a test.

    `unchecked` is what they would be if their wrong checksum were right: for `telematics decode` to explain, never to be stored.
    """

    def __init__(self, reason: str, frame: bytes, unchecked: Frame | None = None) -> None:
        super().__init__(f"{reason}: {frame[:64].hex()}{'…' if len(frame) > 64 else ''}")
        self.reason, self.frame, self.unchecked = reason, frame, unchecked


class UnknownProtocol(ProtocolError):
    """There is no codec of that name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no protocol {name!r}; known are {', '.join(known)}")
        self.name = name
