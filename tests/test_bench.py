"""What `make bench` measures with is itself right: typical messages are read whole, and the load says what it means to."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

import protocols
from bench.decoding import frames_of, spoken
from bench.load import unique_id
from bench.packets import RECORDS, conversation, drive
from bench.wires import WIRES

START = datetime(2026, 3, 4, 15, 59, 50, tzinfo=UTC)  # a new day of Beijing within the first packets
FIRST_ID = 860_000_000_000_000


@pytest.mark.parametrize("codec", protocols.CODECS, ids=lambda codec: codec.name)
def test_a_typical_message_is_read_whole(codec: protocols.Codec) -> None:
    """Every codec has one, and no part of it is passed over: otherwise the bench would measure how fast nothing is read."""
    hello, messages = conversation(codec.name, 3)
    decoded = codec.decode(frames_of(spoken(codec, hello), messages))
    fixes = drive(3 * RECORDS.get(codec.name, 1))
    columns = decoded.columns
    assert (len(columns), list(decoded.unreadable)) == (len(fixes), [])
    assert columns.time.tolist() == [fix.time.replace(tzinfo=None) for fix in fixes]
    assert columns.latitude == pytest.approx([fix.latitude for fix in fixes], abs=4e-6)
    assert columns.longitude == pytest.approx([fix.longitude for fix in fixes], abs=4e-6)
    assert columns.speed_kmh == pytest.approx([36.5] * len(fixes), abs=1.5)
    assert columns.course_deg == pytest.approx([fix.course_deg for fix in fixes], abs=2)
    assert columns.valid.all()


@pytest.mark.parametrize(("protocol", "records"), [(name, 10 if name == "teltonika" else 1) for name in WIRES])
def test_the_load_is_read_and_its_acknowledgements_are_counted(protocol: str, records: int) -> None:
    wire, codec = WIRES[protocol](FIRST_ID, START, records), protocols.codec(protocol)
    data, begins = wire.chunk(range(4, 7), 1)  # the second chunk of three trackers: ours is the one in the middle
    each = wire.chunk_packets
    packets = [data[begins[place] : begins[place + 1]] for place in range(each, 2 * each)]
    assert codec.session().receive(wire.hello(5) or packets[0]).login == unique_id(protocol, FIRST_ID, 5)
    frames = frames_of(spoken(codec, wire.hello(5)), packets)
    answers = b"".join(frame.ack for frame in frames)
    columns = codec.decode(frames).columns
    first = each * records
    seconds = (columns.time - np.datetime64(START.replace(tzinfo=None))).astype("m8[s]").astype(int).tolist()
    assert seconds == list(range(first, 2 * first))
    assert columns.latitude == pytest.approx([46 + (512 - n) * 9e-5 for n in range(first, 2 * first)], abs=2e-6)
    count, taken = wire.answers(answers + answers[:3])
    assert (count, taken) == (each, len(answers))
    assert not wire.wrong(answers, each)
    assert wire.wrong(answers, each + 1) or protocol == "teltonika"  # its answers tell no number
