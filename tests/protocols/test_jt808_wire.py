"""JT/T 808 as trackers send it that keep to the standard less strictly, and many positions read at once."""

from __future__ import annotations

import pytest

from protocols import Frame
from protocols.jt808 import CODEC
from protocols.jt808.wire import escaped, unescaped
from tests.protocols import laws
from tests.protocols.test_jt808 import PLACED, STATUS, message, place, session


def unescaped_wire(kind: int, body: str, *, properties: int = 0) -> bytes:
    """As trackers send it that escape nothing."""
    return b"\x7e" + unescaped(message(kind, body, properties=properties)) + b"\x7e"


@pytest.mark.parametrize(
    "items",
    [
        pytest.param("310100" + "01047e7e7e7e", id="marks at the end"),
        pytest.param("01047e000000310100", id="one mark inside"),
        pytest.param("01047d010000310100", id="what would be an escape"),
    ],
)
def test_a_tracker_that_escapes_nothing_is_understood(items: str) -> None:
    wire = unescaped_wire(0x0200, place(items=items))
    [row, after] = laws.rows(CODEC, wire + message(0x0200, place()))
    odometer_m = int.from_bytes(bytes.fromhex(items.partition("0104")[2][:8]), "big") * 100.0
    assert row == PLACED | {"attributes": STATUS, "odometer_m": odometer_m, "satellites": 0.0}
    assert after == PLACED | {"attributes": STATUS}


def test_a_message_that_is_shorter_than_it_says_costs_only_itself() -> None:
    short = escaped(unescaped(message(0x0200, place()))[:-9])
    received = laws.hear(session(), short[:-2] + b"\x55\x7e" + message(0x0200, place()))
    assert ([bad.reason for bad in received.rejects], len(received.frames)) == (["the checksum is wrong"], 1)


def test_a_batch_that_is_longer_than_the_standard_allows_is_not_taken_for_encrypted() -> None:
    body = "002801" + f"001c{place()}" * 40  # 1,203 bytes: the length runs into the bits of encryption
    received = laws.hear(session(), message(0x0704, body))
    assert (len(CODEC.decode(received.frames).columns), received.rejects) == (40, [])


def test_the_versions_bit_counts_only_where_the_length_leaves_room_for_one() -> None:
    [row] = laws.rows(CODEC, message(0x0200, place(), properties=0x4000))
    assert row == PLACED | {"attributes": STATUS}


@pytest.mark.parametrize(
    "items",
    [
        pytest.param(["01040000271030011f31010c", "0104ffffffff30010031010c"], id="the same items"),
        pytest.param(["01040000271030011f", "3101010104000003e8", "d4015a310107300104"], id="others in the same length"),
        pytest.param(["d401ff30011f", "d4015a30011f", "d401ff30011e"], id="one of them charges"),
        pytest.param(["30011f310203", "30011f31010c", "30011f3101"], id="an item that is cut short"),
        pytest.param(["30011f300105", "300107300108"], id="one item twice"),
        pytest.param(["30011f0202007d", "30011f61020500"], id="an item that is no number"),
        pytest.param(["30011f31010c01040000271061020500ffff"[:36]] * 2, id="eighteen bytes"),
        pytest.param(["", "30", "30011f00"], id="nothing, and bytes that are too few"),
    ],
)
def test_many_positions_are_read_as_each_by_itself(items: list[str]) -> None:
    frames = [Frame("location", bytes.fromhex(place(items=items[number % len(items)]))) for number in range(60)]
    together = [laws.rounded(row) for row in CODEC.decode(frames).columns.rows()]
    assert together == [laws.rounded(CODEC.decode([frame]).columns.row(0)) for frame in frames]
