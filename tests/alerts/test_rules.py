"""The rules in memory follow the tables, and nobody waits for them."""

from __future__ import annotations

import asyncio

import pytest

from telematics.alerts import rules
from telematics.alerts.matching import Rule
from telematics.store.alerts import RuleRow
from tests.alerts.conftest import Desk


async def test_the_loop_goes_on_while_calendars_are_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a calendar holds up nobody, and until it is read the rule is as it was."""
    number = await desk.rule(name="before")
    loop, reading, read = asyncio.get_running_loop(), asyncio.Event(), rules.rule_of
    turned = asyncio.Event()

    def slow(row: RuleRow) -> Rule:
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(turned.wait(), loop).result(5)
        return read(row)

    monkeypatch.setattr(rules, "rule_of", slow)
    loading = asyncio.create_task(desk.alerts.rules.load({number}))
    async with asyncio.timeout(5):
        await reading.wait()
    kept = desk.alerts.rules.get(number)
    assert kept is not None
    assert kept.name == "before"
    assert kept in desk.alerts.rules.of(desk.account, "alarm")
    turned.set()
    await loading
    assert desk.alerts.rules.get(number) is not kept
