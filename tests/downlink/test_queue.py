"""What leaves next, and what an answer belongs to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protocols import Answer
from telematics.downlink.queue import GiveUp, LetBe, Manner, Send, answered, left, next_step, serial_of
from telematics.store.commands import Waiting

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MANNER = Manner(timedelta(seconds=60), tries=3)


def command(number: int, **more: Any) -> Waiting:
    given = {
        "account_id": 1, "device_id": 7, "type": "positionSingle", "parameters": {}, "sms": False, "when_slow": False,
        "state": "queued", "tries": 0, "sent_at": None, "expires_at": NOW + timedelta(hours=1), "phone": "", "reason": None,
    }  # fmt: skip
    return Waiting(id=number, **(given | more))


def sent(number: int, ago_s: float, tries: int = 1, **more: Any) -> Waiting:
    return command(number, state="sent", sent_at=NOW - timedelta(seconds=ago_s), tries=tries, **more)


@pytest.mark.parametrize(
    ("queue", "slow", "step"),
    [
        pytest.param([], True, None, id="nothing waits"),
        pytest.param([command(1), command(2)], False, Send(command(1)), id="the oldest first"),
        pytest.param([sent(1, 59), command(2)], False, None, id="one at a time: its answer is awaited"),
        pytest.param([sent(1, 60), command(2)], False, Send(sent(1, 60)), id="no answer: once more"),
        pytest.param([sent(1, 60, tries=3)], False, GiveUp(sent(1, 60, tries=3), "no answer to 3 tries"), id="given up"),
        pytest.param(
            [command(1, when_slow=True), command(2)], False, Send(command(2)), id="what waits for slowness holds up none"
        ),
        pytest.param([command(1, when_slow=True)], True, Send(command(1, when_slow=True)), id="slow"),
        pytest.param([sent(1, 99, when_slow=True)], False, None, id="nor is the engine stopped by a second try at speed"),
        pytest.param([command(1, sms=True), command(2)], False, Send(command(2)), id="text messages go their own way"),
        pytest.param([command(1, expires_at=NOW)], False, None, id="too old"),
        pytest.param([sent(1, 5, when_slow=True), command(2)], False, None, id="at speed its answer is awaited all the same"),
        pytest.param([command(1, when_slow=True), sent(2, 5)], True, None, id="slow now, and another is open"),
        pytest.param([sent(1, 99, when_slow=True), sent(2, 5)], True, None, id="its second try waits for the open one, too"),
        pytest.param([sent(1, 5, expires_at=NOW), command(2)], False, None, id="too old, and may be answered yet"),
        pytest.param([sent(1, 60, type="rebootDevice")], False, LetBe(sent(1, 60, type="rebootDevice")), id="no second restart"),
        pytest.param([sent(1, 59, type="rebootDevice")], False, None, id="but it may answer"),
        pytest.param([sent(1, -5), command(2)], False, Send(sent(1, -5)), id="the clock was set back"),
    ],
)
def test_what_leaves_next(queue: list[Waiting], slow: bool, step: Send | LetBe | GiveUp | None) -> None:
    assert next_step(queue, NOW, MANNER, slow=slow) == step


def test_what_has_left_is_awaited() -> None:
    assert left([command(1), command(2)], command(1), NOW) == [command(1, state="sent", sent_at=NOW, tries=1), command(2)]


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        (Answer("ok"), 2),  # the first one has had its time
        (Answer("ok", serial=2), 2),
        (Answer("ok", serial=3), None),  # still queued: it can't be answered
        (Answer("ok", serial=4), None),
    ],
)
def test_whom_an_answer_is_for(answer: Answer, number: int | None) -> None:
    found = answered([sent(1, 5), sent(2, 3), command(3)], answer)
    assert (found.id if found else None) == number


def test_serials_fit_into_two_bytes_and_are_never_0() -> None:
    assert [serial_of(number) for number in (1, 65535, 65536, 2**40)] == [1, 65535, 1, (2**40 - 1) % 65535 + 1]
