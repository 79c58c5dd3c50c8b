"""Laws that hold for every protocol; a protocol's own tests call them with messages of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import Codec, Received, Session


def hear(session: Session, data: bytes, *, known: bool = True) -> Received:
    """All that comes of some bytes when every login is answered the same way; `login` is the last one."""
    received = session.receive(data)
    login = received.login
    while received.login is not None:
        login = received.login
        more = session.admit(known)
        more.reply = received.reply + more.reply
        more.frames = received.frames + more.frames
        more.rejects = received.rejects + more.rejects
        more.answers = received.answers + more.answers
        more.close |= received.close
        received = more
    received.login = login
    return received


def rows(codec: Codec, data: bytes) -> list[dict[str, object]]:
    """What is read in some bytes of a connection, numbers rounded as far as any tracker is exact."""
    return [rounded(row) for row in codec.decode(hear(codec.session(), data).frames).columns.rows()]


def rounded(row: dict[str, object]) -> dict[str, object]:
    return {
        name: round(value, 7 if name in ("latitude", "longitude") else 3) if isinstance(value, float) else value
        for name, value in row.items()
    }


def hold(codec: Codec, messages: Sequence[bytes], *, examples: int = 40) -> None:
    """Cut anywhere, the same frames; any bytes are read or refused; many together are what they are one by one."""
    _any_cut_gives_the_same(codec, messages, examples)
    _any_bytes_are_borne(codec, messages, examples)
    _together_as_one_by_one(codec, messages)


def _any_cut_gives_the_same(codec: Codec, messages: Sequence[bytes], examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        st.lists(st.sampled_from(messages), min_size=1, max_size=4).map(b"".join),
        st.lists(st.integers(0, 400), max_size=6),
        st.booleans(),
    )
    def law(data: bytes, cuts: list[int], known: bool) -> None:
        whole = hear(codec.session(), data, known=known)
        session, got = codec.session(), Received()
        for start, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]):
            part = hear(session, data[start:end], known=known)
            got.reply += part.reply
            got.frames += part.frames
            got.rejects += part.rejects
            got.answers += part.answers
            got.close |= part.close
        assert (got.reply, got.frames, got.answers, got.close) == (whole.reply, whole.frames, whole.answers, whole.close)
        assert [str(reject) for reject in got.rejects] == [str(reject) for reject in whole.rejects]

    law()


def _any_bytes_are_borne(codec: Codec, messages: Sequence[bytes], examples: int) -> None:
    @st.composite
    def damaged(draw: st.DrawFn) -> bytes:
        data = bytearray(draw(st.sampled_from(messages)))
        for place, value in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)):
            data[place] = value
        return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data) + draw(st.binary(max_size=8))

    @settings(max_examples=examples * 2, deadline=None)
    @given(damaged())
    def law(data: bytes) -> None:
        for make in (codec.session, codec.datagram):
            if make is not None:
                decoded = codec.decode(hear(make(), data).frames)
                list(decoded.columns.rows())

    law()


def _together_as_one_by_one(codec: Codec, messages: Sequence[bytes]) -> None:
    frames = [frame for message in messages for frame in hear(codec.session(), message).frames]
    together = codec.decode(frames)
    alone = [codec.decode([frame]) for frame in frames]
    assert list(together.columns.rows()) == [row for one in alone for row in one.columns.rows()]
    assert together.columns.frame.tolist() == [n for n, one in enumerate(alone) for _ in range(len(one.columns))]
