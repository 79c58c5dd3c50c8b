"""What sessions have in common: a buffer with a bound, messages cut off it, and the question whose they are.

A protocol's own session says how its messages are cut and what each means:

    class Link(Stream):
        largest_frame_bytes = 2048

        def cut(self, data, at):            # where does the message that begins at `at` end?
            end = self.find(data, b"#", at)
            return end + 1 if end >= 0 else MORE

        def hear(self, message, received):  # one whole message
            if self.speaks(message[4:14].decode("ascii", "replace"), message, received):
                received.frames.append(Frame("location", message))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime

from protocols.commands import CannotSend, Command
from protocols.errors import BadFrame
from protocols.frames import Frame
from protocols.session import Received

MORE = 0  # from `cut`: the message is not whole yet
KEPT_BYTES = 1024  # of what is rejected
MOST_REJECTED = 1000  # of a connection: who sends so much that can't be read may call again, but not fill the dead letters
LONGEST_ID = 128
MOST_WAITING_BYTES = 256 << 10  # behind a login: what one read of a socket may bring

Buffer = bytes | bytearray


def utc_now() -> datetime:
    """For answers that hold the time: the one clock of sessions, handed in so that tests can hold it."""
    return datetime.now(UTC)


class Stream(ABC):
    """A connection or, with `whole`, one datagram. Holds at most one message that isn't whole, or what follows a login."""

    largest_frame_bytes = 4096
    most_trackers = 4  # that one message may name, one after the other: one that names two in turns would ask for ever

    def __init__(self, *, whole: bool = False) -> None:
        self.whole = whole
        self.tracker = ""  # who spoke last, and whether it is one of ours
        self.known = False
        self.closed = False
        self._buffer = bytearray()
        self._found: dict[tuple[bytes, int], int] = {}  # how far a mark was looked for, from where on, in what isn't whole yet
        self._rejected = 0
        self._asked: str | None = None
        self._held: bytes = b""  # the message that said whose it is
        self._asks = 0  # how often it did

    # --- to be written for each protocol

    @abstractmethod
    def cut(self, data: Buffer, at: int) -> int:
        """The end of the message that begins at `at`; MORE: it isn't whole; -n: the n bytes from there on are none.

        It is asked again with each read until the message is whole: look for marks with `find`. Bytes between messages that mean
        nothing (line ends) are cut as a message of their own, which `hear` passes over.
        """

    @abstractmethod
    def hear(self, message: bytes, received: Received) -> None:
        """Take one whole message. Where it names its tracker, go on only if `speaks` says so: otherwise it comes again."""

    def stranger(self, message: bytes, received: Received) -> None:  # noqa: B027 # silence is the usual answer
        """The message is of a tracker that isn't ours: answer it if the protocol has a word for that."""

    def command(self, command: Command, serial: int, password: str) -> bytes:
        """The bytes that tell the tracker to do so. Raises CannotSend."""
        raise CannotSend("this protocol takes no commands")

    # --- what they may use

    def find(self, data: Buffer, mark: bytes, start: int) -> int:
        """Where the mark stands, -1: not yet. Each byte is looked at once, however slowly they come."""
        found = data.find(mark, self._found.get((mark, start), start))
        if found < 0:
            if len(self._found) > 8:
                self._found.clear()
            self._found[mark, start] = max(start, len(data) - len(mark) + 1)
        return found

    def speaks(self, unique_id: str, message: bytes, received: Received) -> bool:
        """Whether this tracker is known to be ours already. If not it is asked, and `hear` gets the message again."""
        if self.known and unique_id == self.tracker:
            return True
        unique_id = unique_id.strip()
        if not 0 < len(unique_id) <= LONGEST_ID or not unique_id.isprintable():
            self.reject("no tracker's id can be read", message, received)
        elif self.known and unique_id == self.tracker:
            return True
        else:
            self._asked = received.login = unique_id
            self._held = message
        return False

    def reject(self, reason: str, data: Buffer, received: Received, unchecked: Frame | None = None) -> None:
        """It becomes a dead letter; the connection goes on, unless there were too many of them. `unchecked`: see BadFrame."""
        received.rejects.append(BadFrame(reason, bytes(data[:KEPT_BYTES]), unchecked))

    def close(self, reason: str, data: Buffer, received: Received) -> None:
        """What follows can't be read: hang up. No reason: the protocol says good-bye."""
        if reason:
            self.reject(reason, data, received)
        self.closed = received.close = True

    # --- Session

    def receive(self, data: bytes) -> Received:
        received = Received()
        if self.closed:
            received.close = True
        elif self._asked is not None:  # nobody should read on before `admit`; if somebody does, there is a bound all the same
            self._buffer += data
            if len(self._buffer) > self.largest_frame_bytes + MOST_WAITING_BYTES:
                self.close("more is sent than waits for an answer to a login", self._buffer, received)
        elif self._buffer:
            self._buffer += data
            del self._buffer[: self._go_on(self._buffer, received)]
        else:
            self._buffer += data[self._go_on(data, received) :]
        if self.closed:
            self._buffer.clear()
        return received

    def admit(self, known: bool) -> Received:
        received = Received()
        asked, message = self._asked, self._held
        if asked is None or self.closed:
            return received
        self.tracker, self.known, self._asked, self._held = asked, known, None, b""
        self._asks += 1
        if self._asks > self.most_trackers:
            self.reject(f"a message names at most {self.most_trackers} trackers", message, received)
        elif known:
            self.hear(message, received)
        else:
            self.stranger(message, received)
        if self._asked is None:
            self._asks = 0
        self._count(received, 0)
        del self._buffer[: self._go_on(self._buffer, received)]
        if self.closed:
            self._buffer.clear()
        return received

    def _count(self, received: Received, counted: int) -> int:
        """What was rejected, of which so many are counted already. How many are now."""
        self._rejected += len(received.rejects) - counted
        if self._rejected >= MOST_REJECTED:
            self.closed = received.close = True
        return len(received.rejects)

    def _go_on(self, data: Buffer, received: Received) -> int:
        """Hear all that is whole, up to a login. How many bytes that were."""
        at, size, rejects = 0, len(data), len(received.rejects)
        while at < size and self._asked is None and not self.closed:
            end = self.cut(data, at)
            if at < end <= size:
                message = bytes(data[at:end])
                at = end
                self._found.clear()
                self.hear(message, received)
            elif end < 0:
                self.reject("no message begins here", bytes(data[at : at - end]), received)
                at = min(size, at - end)
                self._found.clear()
            else:
                break
            if len(received.rejects) != rejects:
                rejects = self._count(received, rejects)
        if at and self._found:
            self._found = {(mark, start - at): place - at for (mark, start), place in self._found.items()}
        if at < size and self._asked is None and not self.closed:
            if self.whole:
                self.reject("the datagram is cut short", bytes(data[at:]), received)
                return size
            if size - at > self.largest_frame_bytes:
                self.close(f"a message has at most {self.largest_frame_bytes} bytes", bytes(data[at:]), received)
        return at
