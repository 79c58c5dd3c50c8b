"""wialon: being written."""

from collections.abc import Sequence

from protocols.columns import Columns
from protocols.session import Codec, Decoded, Frame, Received


class Stream:
    def receive(self, data: bytes) -> Received:
        return Received()

    def admit(self, known: bool) -> Received:
        return Received()


def decode(frames: Sequence[Frame]) -> Decoded:
    return Decoded(Columns.empty())


CODEC = Codec(
    name="wialon",
    port=5039,
    transports=("tcp",),
    largest_frame_bytes=4096,
    session=Stream,
    datagram=None,
    decode=decode,
    makers="",
    source="",
)
