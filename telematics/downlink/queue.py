"""Which command of a device's queue is to leave next, and what an answer belongs to. Pure: no clock, no database, no socket.

A device has one command under way at a time, the oldest first. One that waits for the vehicle to be slow lets others pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from protocols import Answer
from telematics.store.commands import Waiting

NEVER = datetime.min.replace(tzinfo=UTC)
ONCE = frozenset(("rebootDevice", "powerOff", "factoryReset"))  # who does so may have no time to answer: never said twice
SERIALS = 0xFFFF  # what a serial of two bytes tells apart


@dataclass(frozen=True, slots=True)
class Manner:
    """How patient we are."""

    answer: timedelta  # a tracker has so long to answer
    tries: int


@dataclass(frozen=True, slots=True)
class Send:
    command: Waiting


@dataclass(frozen=True, slots=True)
class GiveUp:
    command: Waiting
    reason: str


@dataclass(frozen=True, slots=True)
class LetBe:
    """It was sent, and that is all that will be known."""

    command: Waiting


def serial_of(command_id: int) -> int:
    """The number by which a tracker's answer names it; the same after a restart."""
    return (command_id - 1) % SERIALS + 1


def under_way(command: Waiting, now: datetime, manner: Manner) -> bool:
    """Whether the tracker still has time to answer it. A clock that was set back gives no more of it."""
    if command.state != "sent" or command.sms or command.sent_at is None:
        return False
    return timedelta(0) <= now - command.sent_at < manner.answer


def next_step(queue: Sequence[Waiting], now: datetime, manner: Manner, *, slow: bool) -> Send | LetBe | GiveUp | None:
    """What is to be done for a device that can be reached; None: wait. Text messages go their own way."""
    if any(
        under_way(command, now, manner) for command in queue
    ):  # first of all, or two were open, and an answer belonged to either
        return None
    for command in queue:
        if command.sms or command.expires_at <= now:
            continue
        if command.when_slow and not slow:  # also when it is to be sent again: the vehicle may have gathered speed
            continue
        if command.state == "sent" and command.type in ONCE:
            return LetBe(command)
        if command.state == "sent" and command.tries >= manner.tries:
            return GiveUp(command, f"no answer to {command.tries} tries")
        return Send(command)
    return None


def left(queue: Sequence[Waiting], command: Waiting, now: datetime) -> list[Waiting]:
    """The queue when the command has been sent."""
    sent: Literal["sent"] = "sent"
    return [
        replace(other, state=sent, sent_at=now, tries=other.tries + 1) if other.id == command.id else other for other in queue
    ]


def answered(queue: Sequence[Waiting], answer: Answer) -> Waiting | None:
    """The command that is answered: the one with its serial; without a serial the one that was sent last: those sent
    before it have had their time. None: nobody asked."""
    sent = [command for command in queue if command.state == "sent" and not command.sms]
    if answer.serial is None:
        return max(sent, key=lambda command: (command.sent_at or NEVER, command.id), default=None)
    return next((command for command in sent if serial_of(command.id) == answer.serial), None)
